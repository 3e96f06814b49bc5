/* warp_get and warp_get_nowait: lengths, buffers that are too small, nothing written past them. */
#include "dir.h"

typedef warp_status get_fn(warp_db *, const void *, size_t, void *, size_t, size_t *);

static void buffers(get_fn *get) {
    warp_db *db = open_memory();
    char buf[8];
    size_t len = 99;
    CHECK_STATUS(put(db, "k", "12345"), WARP_OK);
    CHECK_STATUS(put(db, "empty", ""), WARP_OK);

    memset(buf, '.', sizeof buf);
    CHECK_STATUS(get(db, "k", 1, buf, 5, &len), WARP_OK);
    CHECK(len == 5 && memcmp(buf, "12345...", 8) == 0);

    memset(buf, '.', sizeof buf);
    CHECK_STATUS(get(db, "k", 1, buf, 4, &len), WARP_BUFFER_TOO_SMALL);
    CHECK(len == 5 && memcmp(buf, "........", 8) == 0);

    CHECK_STATUS(get(db, "k", 1, NULL, 0, &len), WARP_BUFFER_TOO_SMALL);
    CHECK(len == 5);
    CHECK_STATUS(get(db, "empty", 5, NULL, 0, &len), WARP_OK);
    CHECK(len == 0);

    len = 99;
    CHECK_STATUS(get(db, "none", 4, buf, sizeof buf, &len), WARP_NOT_FOUND);
    CHECK(len == 0 && memcmp(buf, "........", 8) == 0);

    CHECK_STATUS(get(db, "k", 1, NULL, 8, &len), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("buf is NULL");
    CHECK_STATUS(get(db, "k", 1, buf, sizeof buf, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("value_len is NULL");
    CHECK_STATUS(get(db, NULL, 1, buf, sizeof buf, &len), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("key is NULL");
    CHECK_STATUS(get(NULL, "k", 1, buf, sizeof buf, &len), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("db is NULL");
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void a_large_value_comes_back_whole(void) {
    enum { SIZE = 3 << 20 };
    warp_db *db = open_memory();
    unsigned char *in = malloc(SIZE), *out = malloc(SIZE);
    size_t len;
    CHECK(in != NULL && out != NULL);
    for (size_t i = 0; i < SIZE; i++) {
        in[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    CHECK_STATUS(warp_put(db, "large", 5, in, SIZE), WARP_OK);
    CHECK_STATUS(warp_get(db, "large", 5, out, SIZE, &len), WARP_OK);
    CHECK(len == SIZE && memcmp(in, out, SIZE) == 0);
    CHECK_STATUS(warp_close(db), WARP_OK);
    free(in);
    free(out);
}

int main(void) {
    buffers(warp_get);
    buffers(warp_get_nowait);
    a_large_value_comes_back_whole();
    return 0;
}
