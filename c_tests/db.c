/* Database: put, get, delete, exists, in memory. */
#include "dir.h"

static void the_everyday_calls(void) {
    warp_db *db = open_memory();
    CHECK(missing(db, "a"));
    CHECK_STATUS(put(db, "a", "1"), WARP_OK);
    CHECK(has(db, "a", "1"));
    CHECK_STATUS(warp_exists(db, "a", 1), WARP_OK);
    CHECK_STATUS(put(db, "a", "longer than before"), WARP_OK);
    CHECK(has(db, "a", "longer than before"));
    CHECK_STATUS(warp_delete(db, "a", 1), WARP_OK);
    CHECK_STATUS(warp_delete(db, "a", 1), WARP_NOT_FOUND);
    CHECK(missing(db, "a"));
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void bytes_are_opaque(void) {
    warp_db *db = open_memory();
    char buf[8];
    size_t len;
    CHECK_STATUS(warp_put(db, "k\0a", 3, "v\0\xff", 3), WARP_OK);
    CHECK_STATUS(warp_put(db, "k\0b", 3, NULL, 0), WARP_OK);
    CHECK_STATUS(warp_get(db, "k\0a", 3, buf, sizeof buf, &len), WARP_OK);
    CHECK(len == 3 && memcmp(buf, "v\0\xff", 3) == 0);
    CHECK_STATUS(warp_get(db, "k\0b", 3, buf, sizeof buf, &len), WARP_OK);
    CHECK(len == 0);
    CHECK_STATUS(warp_exists(db, "k", 1), WARP_NOT_FOUND);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void the_limits_are_the_documented_ones(void) {
    enum { KEY_MAX = 65535 };
    warp_db *db = open_memory();
    char *key = calloc(1, KEY_MAX + 1);
    size_t len = 1;
    CHECK(key != NULL);
    CHECK_STATUS(warp_put(db, key, KEY_MAX, "v", 1), WARP_OK);
    CHECK_STATUS(warp_exists(db, key, KEY_MAX), WARP_OK);
    CHECK_STATUS(warp_put(db, key, KEY_MAX + 1, "v", 1), WARP_ERR_TOO_LARGE);
    CHECK_TEXT("65536");
    CHECK_STATUS(warp_put(db, "k", 1, key, ((size_t)1 << 30) + 1), WARP_ERR_TOO_LARGE);
    CHECK_TEXT("1073741825");
    CHECK_STATUS(warp_put(db, "k", 1, key, SIZE_MAX), WARP_ERR_TOO_LARGE);
    CHECK_STATUS(warp_put(db, "k", SIZE_MAX, key, 1), WARP_ERR_TOO_LARGE);
    CHECK_STATUS(warp_get(db, key, KEY_MAX + 1, NULL, 0, &len), WARP_ERR_TOO_LARGE);
    CHECK(len == 0);
    CHECK_STATUS(warp_delete(db, key, KEY_MAX + 1), WARP_ERR_TOO_LARGE);
    CHECK_STATUS(warp_exists(db, key, KEY_MAX + 1), WARP_ERR_TOO_LARGE);
    CHECK_STATUS(warp_put(db, key, 0, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_put(db, NULL, 0, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_exists(db, key, 0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
    free(key);
}

static void databases_in_memory_are_apart_and_gone_at_close(void) {
    warp_db *a = open_memory(), *b = open_memory();
    CHECK_STATUS(put(a, "k", "v"), WARP_OK);
    CHECK(missing(b, "k"));
    CHECK_STATUS(warp_close(a), WARP_OK);
    a = open_memory();
    CHECK(missing(a, "k"));
    CHECK_STATUS(warp_close(a), WARP_OK);
    CHECK_STATUS(warp_close(b), WARP_OK);
}

static void hints_change_no_answer(void) {
    warp_db *db = open_memory();
    for (uint32_t hint = WARP_HOT; hint <= WARP_COLD; hint++) {
        for (char round = '0'; round < '4'; round++) {
            char key[8], value[8];
            snprintf(key, sizeof key, "k%u", hint);
            snprintf(value, sizeof value, "v%c", round);
            CHECK_STATUS(warp_put_hinted(db, key, 2, value, 2, hint), WARP_OK);
            CHECK(has(db, key, value));
            CHECK_STATUS(put(db, key, "other"), WARP_OK);
            CHECK(has(db, key, "other"));
        }
    }
    CHECK_STATUS(warp_put_hinted(db, "k", 1, "v", 1, 0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_put_hinted(db, "", 0, "v", 1, WARP_HOT), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    hints_change_no_answer();
    the_everyday_calls();
    bytes_are_opaque();
    the_limits_are_the_documented_ones();
    databases_in_memory_are_apart_and_gone_at_close();
    return 0;
}
