/* Pinned values: unchanged by whatever happens to the key, released any number of times. */
#include "dir.h"

int main(void) {
    warp_db *db = open_memory();
    warp_value a, b, zero;
    memset(&zero, 0, sizeof zero);
    CHECK_STATUS(put(db, "k", "before"), WARP_OK);
    CHECK_STATUS(put(db, "empty", ""), WARP_OK);

    CHECK_STATUS(warp_get_pinned(db, "k", 1, &a), WARP_OK);
    CHECK(a.len == 6 && memcmp(a.data, "before", 6) == 0);
    CHECK_STATUS(put(db, "k", "after!"), WARP_OK);
    CHECK_STATUS(warp_get_pinned(db, "k", 1, &b), WARP_OK);
    CHECK_STATUS(warp_delete(db, "k", 1), WARP_OK);
    CHECK_STATUS(warp_compact(db), WARP_OK);
    CHECK(a.len == 6 && memcmp(a.data, "before", 6) == 0);
    CHECK(b.len == 6 && memcmp(b.data, "after!", 6) == 0);

    warp_value_release(&a);
    CHECK(a.data == NULL && a.len == 0);
    warp_value_release(&a);
    CHECK(memcmp(b.data, "after!", 6) == 0);
    warp_value_release(&b);
    warp_value_release(&zero);
    warp_value_release(NULL);

    CHECK_STATUS(warp_get_pinned(db, "empty", 5, &a), WARP_OK);
    CHECK(a.len == 0);
    warp_value_release(&a);

    memset(&a, 0xff, sizeof a);
    CHECK_STATUS(warp_get_pinned(db, "none", 4, &a), WARP_NOT_FOUND);
    CHECK(a.data == NULL && a.len == 0);
    warp_value_release(&a);
    memset(&a, 0xff, sizeof a);
    CHECK_STATUS(warp_get_pinned(db, "", 0, &a), WARP_ERR_INVALID_ARGUMENT);
    CHECK(a.data == NULL && a.len == 0);
    CHECK_STATUS(warp_get_pinned(db, "k", 1, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("out is NULL");
    CHECK_STATUS(warp_close(db), WARP_OK);
    return 0;
}
