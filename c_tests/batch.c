/* Batches: all or nothing, the last operation on a key wins, reuse. */
#include "dir.h"

int main(void) {
    static char large[65536];
    warp_db *db = open_memory();
    warp_batch *b = warp_batch_new();
    CHECK(b != NULL && warp_batch_count(b) == 0);
    CHECK_STATUS(warp_write(db, b), WARP_OK);

    CHECK_STATUS(put(db, "old", "1"), WARP_OK);
    CHECK_STATUS(warp_batch_put(b, "a", 1, "1", 1), WARP_OK);
    CHECK_STATUS(warp_batch_put(b, "a", 1, "2", 1), WARP_OK);
    CHECK_STATUS(warp_batch_put(b, "gone", 4, "1", 1), WARP_OK);
    CHECK_STATUS(warp_batch_delete(b, "gone", 4), WARP_OK);
    CHECK_STATUS(warp_batch_delete(b, "back", 4), WARP_OK);
    CHECK_STATUS(warp_batch_put(b, "back", 4, NULL, 0), WARP_OK);
    CHECK_STATUS(warp_batch_delete(b, "old", 3), WARP_OK);
    CHECK_STATUS(warp_batch_delete(b, "never", 5), WARP_OK);
    CHECK(warp_batch_count(b) == 8);
    CHECK(missing(db, "a"));

    /* What is refused is not in the batch. */
    CHECK_STATUS(warp_batch_put(b, "", 0, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_batch_put(b, NULL, 1, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_batch_put(b, "k", 1, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_batch_put(b, large, sizeof large, "v", 1), WARP_ERR_TOO_LARGE);
    CHECK_STATUS(warp_batch_put(b, "k", 1, large, SIZE_MAX), WARP_ERR_TOO_LARGE);
    CHECK_STATUS(warp_batch_delete(b, "", 0), WARP_ERR_INVALID_ARGUMENT);
    CHECK(warp_batch_count(b) == 8);

    CHECK_STATUS(warp_write(db, b), WARP_OK);
    CHECK(has(db, "a", "2") && missing(db, "gone") && has(db, "back", "") && missing(db, "old"));

    /* A batch stays, and belongs to no database. */
    warp_db *other = open_memory();
    CHECK(warp_batch_count(b) == 8);
    CHECK_STATUS(warp_write(other, b), WARP_OK);
    CHECK(has(other, "a", "2"));
    CHECK_STATUS(warp_close(other), WARP_OK);

    warp_batch_clear(b);
    CHECK(warp_batch_count(b) == 0);
    CHECK_STATUS(warp_batch_put(b, "c", 1, "3", 1), WARP_OK);
    CHECK_STATUS(warp_write(db, b), WARP_OK);
    CHECK(has(db, "c", "3") && has(db, "a", "2"));

    CHECK_STATUS(warp_write(db, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("batch is NULL");
    CHECK_STATUS(warp_write(NULL, b), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_batch_put(NULL, "k", 1, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_batch_delete(NULL, "k", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK(warp_batch_count(NULL) == 0);
    warp_batch_clear(NULL);
    warp_batch_free(NULL);
    warp_batch_free(b);
    CHECK_STATUS(warp_close(db), WARP_OK);
    return 0;
}
