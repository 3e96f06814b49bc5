/* Compare-and-swap: create, replace, delete, conflict; the empty value is not "no value". */
#include "dir.h"

int main(void) {
    warp_db *db = open_memory();
    const warp_slice one = slice("1"), two = slice("2");
    warp_slice empty;
    empty.data = NULL, empty.len = 0;

    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &one, &two), WARP_CONFLICT);
    CHECK(missing(db, "k"));
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &empty, &two), WARP_CONFLICT);
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, NULL, &one), WARP_OK);
    CHECK(has(db, "k", "1"));
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, NULL, &two), WARP_CONFLICT);
    CHECK(has(db, "k", "1"));
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &one, &two), WARP_OK);
    CHECK(has(db, "k", "2"));
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &one, NULL), WARP_CONFLICT);
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &two, &empty), WARP_OK);
    CHECK(has(db, "k", ""));
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, NULL, &one), WARP_CONFLICT);
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &empty, NULL), WARP_OK);
    CHECK(missing(db, "k"));
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, NULL, NULL), WARP_OK);
    CHECK(missing(db, "k"));

    empty.len = 3;
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, NULL, &empty), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &empty, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_compare_and_swap(db, NULL, 1, NULL, &one), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_compare_and_swap(NULL, "k", 1, NULL, &one), WARP_ERR_INVALID_ARGUMENT);
    CHECK(missing(db, "k"));
    CHECK_STATUS(warp_close(db), WARP_OK);
    return 0;
}
