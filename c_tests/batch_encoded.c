/* Packed batches: the documented bytes, and that anything else changes nothing. */
#include "dir.h"

static size_t pack(uint8_t *to, uint8_t kind, const char *key, const char *value) {
    const size_t key_len = strlen(key), value_len = strlen(value);
    to[0] = kind;
    for (int i = 0; i < 4; i++) {
        to[1 + i] = (uint8_t)(key_len >> 8 * i);
        to[5 + i] = (uint8_t)(value_len >> 8 * i);
    }
    memcpy(to + 9, key, key_len);
    memcpy(to + 9 + key_len, value, value_len);
    return 9 + key_len + value_len;
}

int main(void) {
    warp_db *db = open_memory();
    uint8_t buf[256];
    size_t len = 0;
    CHECK_STATUS(put(db, "old", "1"), WARP_OK);
    len += pack(buf + len, WARP_PACKED_PUT, "a", "1");
    len += pack(buf + len, WARP_PACKED_PUT, "b", "");
    len += pack(buf + len, WARP_PACKED_DELETE, "old", "");
    len += pack(buf + len, WARP_PACKED_PUT, "a", "2");
    CHECK_STATUS(warp_write_encoded(db, buf, len), WARP_OK);
    CHECK(has(db, "a", "2") && has(db, "b", "") && missing(db, "old"));

    /* Cut anywhere inside its second operation, a batch is refused, and the first is not done. */
    const size_t first = pack(buf, WARP_PACKED_PUT, "new", "1");
    len = first + pack(buf + first, WARP_PACKED_PUT, "other", "2");
    for (size_t cut = first + 1; cut < len; cut++) {
        /* An exact copy, so that a read past it is seen by the sanitizers. */
        uint8_t *exact = malloc(cut);
        CHECK(exact != NULL);
        memcpy(exact, buf, cut);
        CHECK_STATUS(warp_write_encoded(db, exact, cut), WARP_ERR_INVALID_ARGUMENT);
        CHECK_TEXT("offset 13");
        free(exact);
        CHECK(missing(db, "new"));
    }

    buf[first] = 3; /* no kind */
    CHECK_STATUS(warp_write_encoded(db, buf, len), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("kind 3");
    len = first + pack(buf + first, WARP_PACKED_DELETE, "other", "2");
    CHECK_STATUS(warp_write_encoded(db, buf, len), WARP_ERR_INVALID_ARGUMENT);
    len = first + pack(buf + first, WARP_PACKED_PUT, "", "2");
    CHECK_STATUS(warp_write_encoded(db, buf, len), WARP_ERR_INVALID_ARGUMENT);
    pack(buf + first, WARP_PACKED_PUT, "other", "2");
    buf[first + 3] = 1; /* a key length of 65,541 */
    CHECK_STATUS(warp_write_encoded(db, buf, len), WARP_ERR_TOO_LARGE);
    CHECK(missing(db, "new"));

    CHECK_STATUS(warp_write_encoded(db, NULL, 0), WARP_OK);
    CHECK_STATUS(warp_write_encoded(db, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("bytes is NULL");
    CHECK_STATUS(warp_write_encoded(NULL, buf, first), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
    return 0;
}
