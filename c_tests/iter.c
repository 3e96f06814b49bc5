/* Iteration, entry by entry. */
#include "dir.h"

enum { N = 1000 };

static void every_key_once(void) {
    static int seen[N];
    warp_db *db = open_memory();
    warp_iter *it = NULL;
    warp_slice k, v;
    warp_status status;
    char name[16];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "n%d", i);
        CHECK_STATUS(put(db, name, name + 1), WARP_OK);
    }
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &it), WARP_OK);
    while ((status = warp_iter_next(it, &k, &v)) == WARP_OK) {
        char digits[8];
        CHECK(k.len == v.len + 1 && k.data[0] == 'n' && v.len < sizeof digits);
        CHECK(memcmp(k.data + 1, v.data, v.len) == 0);
        memcpy(digits, v.data, v.len);
        digits[v.len] = '\0';
        const int i = atoi(digits);
        CHECK(i >= 0 && i < N && !seen[i]);
        seen[i] = 1;
    }
    CHECK_STATUS(status, WARP_NOT_FOUND);
    CHECK(k.len == 0 && v.len == 0);
    CHECK_STATUS(warp_iter_next(it, &k, &v), WARP_NOT_FOUND);
    for (int i = 0; i < N; i++) {
        CHECK(seen[i]);
    }
    warp_iter_free(it);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static int count(warp_db *db, const char *prefix) {
    warp_iter *it = NULL;
    warp_slice k, v;
    int n = 0;
    CHECK_STATUS(warp_iter_new(db, prefix, strlen(prefix), &it), WARP_OK);
    while (warp_iter_next(it, &k, &v) == WARP_OK) {
        CHECK(k.len >= strlen(prefix) && memcmp(k.data, prefix, strlen(prefix)) == 0);
        n++;
    }
    warp_iter_free(it);
    return n;
}

static void prefixes(void) {
    warp_db *db = open_memory();
    CHECK(count(db, "") == 0);
    CHECK_STATUS(put(db, "user:1", "a"), WARP_OK);
    CHECK_STATUS(put(db, "user:2", "b"), WARP_OK);
    CHECK_STATUS(put(db, "user", "c"), WARP_OK);
    CHECK_STATUS(put(db, "order:1", "d"), WARP_OK);
    CHECK(count(db, "") == 4 && count(db, "user") == 3 && count(db, "user:") == 2);
    CHECK(count(db, "user:1") == 1 && count(db, "user:11") == 0 && count(db, "x") == 0);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void nulls(void) {
    warp_db *db = open_memory();
    warp_iter *it = NULL, *wrong = (warp_iter *)&it;
    warp_slice k, v;
    CHECK_STATUS(warp_iter_new(NULL, NULL, 0, &it), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_iter_new(db, NULL, 0, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_iter_new(db, NULL, 1, &wrong), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("prefix is NULL");
    CHECK(wrong == NULL);
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &it), WARP_OK);
    CHECK_STATUS(warp_iter_next(it, NULL, &v), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_iter_next(it, &k, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_iter_next(NULL, &k, &v), WARP_ERR_INVALID_ARGUMENT);
    warp_iter_free(it);
    warp_iter_free(NULL);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    every_key_once();
    prefixes();
    nulls();
    return 0;
}
