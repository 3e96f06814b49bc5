/* warp_get_pinned_nowait, warp_exists_nowait and warp_write_would_wait: answers at once where nothing is cold, and the same
   answers as the calls that wait where something is, unless they say that they would have to. */
#include "dir.h"

static void in_memory(void) {
    warp_db *db = open_memory();
    warp_value value;
    CHECK_STATUS(put(db, "k", "12345"), WARP_OK);
    CHECK_STATUS(put(db, "empty", ""), WARP_OK);

    CHECK_STATUS(warp_get_pinned_nowait(db, "k", 1, &value), WARP_OK);
    CHECK_STATUS(warp_delete(db, "k", 1), WARP_OK);
    CHECK(value.len == 5 && memcmp(value.data, "12345", 5) == 0);
    warp_value_release(&value);
    CHECK(value.data == NULL && value.len == 0);
    CHECK_STATUS(warp_get_pinned_nowait(db, "empty", 5, &value), WARP_OK);
    CHECK(value.len == 0);
    warp_value_release(&value);

    memset(&value, 0xff, sizeof value);
    CHECK_STATUS(warp_get_pinned_nowait(db, "k", 1, &value), WARP_NOT_FOUND);
    CHECK(value.data == NULL && value.len == 0);
    CHECK_STATUS(warp_exists_nowait(db, "k", 1), WARP_NOT_FOUND);
    CHECK_STATUS(warp_exists_nowait(db, "empty", 5), WARP_OK);

    CHECK_STATUS(warp_get_pinned_nowait(db, "", 0, &value), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_get_pinned_nowait(db, "k", 1, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("out is NULL");
    CHECK_STATUS(warp_get_pinned_nowait(NULL, "k", 1, &value), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_exists_nowait(db, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("key is NULL");
    CHECK_STATUS(warp_exists_nowait(NULL, "k", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("db is NULL");

    CHECK_STATUS(warp_write_would_wait(db, "empty", 5), WARP_OK);
    CHECK_STATUS(warp_write_would_wait(db, "none", 4), WARP_OK);
    CHECK_STATUS(warp_write_would_wait(db, NULL, 0), WARP_OK);
    CHECK_STATUS(warp_write_would_wait(db, "", 0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_write_would_wait(db, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("key is NULL");
    CHECK_STATUS(warp_write_would_wait(db, "k", 65536), WARP_ERR_TOO_LARGE);
    CHECK_STATUS(warp_write_would_wait(NULL, "k", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("db is NULL");
    CHECK_STATUS(warp_close(db), WARP_OK);
}

/* Far more data than memory_limit: most of it is read from files. */
static void beyond_the_limit(void) {
    enum { KEYS = 3000, SIZE = 4000 };
    static unsigned char bytes[SIZE];
    unsigned answered = 0;
    const char *path = dir_file("db");
    warp_options *options = warp_options_new();
    warp_db *db;
    CHECK_STATUS(warp_options_set(options, "memory_limit", "1M"), WARP_OK);
    CHECK_STATUS(warp_options_set(options, "shards", "2"), WARP_OK);
    CHECK_STATUS(warp_open(path, options, &db), WARP_OK);
    warp_options_free(options);
    for (unsigned n = 0; n < KEYS; n++) {
        memset(bytes, (int)(n % 251), SIZE);
        CHECK_STATUS(warp_put(db, &n, sizeof n, bytes, SIZE), WARP_OK);
    }
    for (unsigned n = 0; n < KEYS; n++) {
        warp_value now, later;
        warp_status write = warp_write_would_wait(db, &n, sizeof n);
        warp_status exists = warp_exists_nowait(db, &n, sizeof n);
        warp_status status = warp_get_pinned_nowait(db, &n, sizeof n, &now);
        CHECK(write == WARP_OK || write == WARP_WOULD_BLOCK);
        CHECK(exists == WARP_OK || exists == WARP_WOULD_BLOCK);
        CHECK(status == WARP_OK || status == WARP_WOULD_BLOCK);
        CHECK_STATUS(warp_get_pinned(db, &n, sizeof n, &later), WARP_OK);
        CHECK(later.len == SIZE && later.data[0] == n % 251 && later.data[SIZE - 1] == n % 251);
        if (status == WARP_OK) {
            answered++;
            CHECK(now.len == SIZE && memcmp(now.data, later.data, SIZE) == 0);
        } else {
            CHECK(now.data == NULL && now.len == 0);
        }
        warp_value_release(&now);
        /* What was read a moment ago is in the cache. */
        CHECK_STATUS(warp_exists_nowait(db, &n, sizeof n), WARP_OK);
        warp_value_release(&later);
    }
    CHECK(answered > 0);
    CHECK_STATUS(warp_write_would_wait(db, NULL, 0), WARP_WOULD_BLOCK);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    in_memory();
    beyond_the_limit();
    return 0;
}
