/* Iteration by pages: the packed form, entries that do not fit, pages and entries in turn. */
#include "dir.h"

enum { N = 300 };

static uint32_t u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Counts the entries of a page, each of which must be "n<i>" with i copies of 'x'. */
static void take(const uint8_t *page, size_t used, size_t count, int *seen) {
    size_t at = 0;
    for (; count > 0; count--) {
        char name[16] = {0};
        CHECK(at + 8 <= used);
        const uint32_t key_len = u32(page + at), value_len = u32(page + at + 4);
        CHECK(key_len < sizeof name && at + 8 + key_len + value_len <= used);
        memcpy(name, page + at + 8, key_len);
        const int i = atoi(name + 1);
        CHECK(name[0] == 'n' && i >= 0 && i < N && value_len == (uint32_t)i);
        for (uint32_t j = 0; j < value_len; j++) {
            CHECK(page[at + 8 + key_len + j] == 'x');
        }
        seen[i]++;
        at += 8 + key_len + value_len;
    }
    CHECK(at == used);
}

static warp_db *filled(void) {
    static char xs[N];
    warp_db *db = open_memory();
    char name[16];
    memset(xs, 'x', sizeof xs);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "n%d", i);
        CHECK_STATUS(warp_put(db, name, strlen(name), xs, (size_t)i), WARP_OK);
    }
    return db;
}

/* All entries through pages of one size; too small ones are asked again with what is needed. */
static void pages_of(warp_db *db, size_t size, int and_entries) {
    int seen[N] = {0};
    warp_iter *it = NULL;
    size_t used = 0, count = 0;
    warp_status status;
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &it), WARP_OK);
    for (;;) {
        uint8_t *page = malloc(size + 1);
        CHECK(page != NULL);
        page[size] = 0xa5;
        status = warp_iter_next_page(it, page, size, &used, &count);
        CHECK(page[size] == 0xa5);
        if (status == WARP_BUFFER_TOO_SMALL) {
            CHECK(count == 0 && used > size);
            const size_t need = used;
            free(page);
            page = malloc(need);
            CHECK(page != NULL);
            CHECK_STATUS(warp_iter_next_page(it, NULL, 0, &used, &count), WARP_BUFFER_TOO_SMALL);
            CHECK(used == need && count == 0);
            status = warp_iter_next_page(it, page, need, &used, &count);
            CHECK(used == need && count == 1);
        }
        if (status != WARP_OK) {
            free(page);
            break;
        }
        CHECK(count > 0);
        take(page, used, count, seen);
        free(page);
        if (and_entries) {
            warp_slice k, v;
            if (warp_iter_next(it, &k, &v) == WARP_OK) {
                seen[v.len]++;
            }
        }
    }
    CHECK_STATUS(status, WARP_NOT_FOUND);
    CHECK(used == 0 && count == 0);
    for (int i = 0; i < N; i++) {
        CHECK(seen[i] == 1);
    }
    warp_iter_free(it);
}

static void nulls(warp_db *db) {
    warp_iter *it = NULL;
    uint8_t page[512];
    size_t used, count;
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &it), WARP_OK);
    CHECK_STATUS(warp_iter_next_page(NULL, page, 512, &used, &count), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_iter_next_page(it, NULL, 512, &used, &count), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_iter_next_page(it, page, 512, NULL, &count), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_iter_next_page(it, page, 512, &used, NULL), WARP_ERR_INVALID_ARGUMENT);
    warp_iter_free(it);
}

int main(void) {
    static const size_t sizes[] = {0, 1, 9, 64, 300, 310, 4096, 1 << 20};
    warp_db *db = filled(), *none = open_memory();
    warp_iter *it = NULL;
    size_t used = 9, count = 9;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pages_of(db, sizes[i], 0);
        pages_of(db, sizes[i], 1);
    }
    nulls(db);
    CHECK_STATUS(warp_iter_new(none, NULL, 0, &it), WARP_OK);
    CHECK_STATUS(warp_iter_next_page(it, NULL, 0, &used, &count), WARP_NOT_FOUND);
    CHECK(used == 0 && count == 0);
    warp_iter_free(it);
    CHECK_STATUS(warp_close(none), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    return 0;
}
