/* multi_get: a status for each key, zeroed values where nothing was found. */
#include "dir.h"

enum { N = 500 };

static void many_keys(void) {
    static char names[N][8];
    static warp_slice keys[N];
    static warp_value values[N];
    static warp_status statuses[N];
    warp_db *db = open_memory();
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "k%d", i);
        keys[i] = slice(names[i]);
        if (i % 3 != 0) {
            CHECK_STATUS(put(db, names[i], names[i]), WARP_OK);
        }
    }
    memset(values, 0xff, sizeof values);
    CHECK_STATUS(warp_multi_get(db, N, keys, values, statuses), WARP_OK);
    for (int i = 0; i < N; i++) {
        if (i % 3 != 0) {
            CHECK_STATUS(statuses[i], WARP_OK);
            CHECK(values[i].len == keys[i].len);
            CHECK(memcmp(values[i].data, keys[i].data, keys[i].len) == 0);
        } else {
            CHECK_STATUS(statuses[i], WARP_NOT_FOUND);
            CHECK(values[i].data == NULL && values[i].len == 0);
        }
        warp_value_release(&values[i]);
    }
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void odd_keys_spoil_only_themselves(void) {
    static char large[65536];
    warp_db *db = open_memory();
    warp_slice keys[4];
    warp_value values[4];
    warp_status statuses[4];
    CHECK_STATUS(put(db, "k", "v"), WARP_OK);
    keys[0] = slice("k");
    keys[1] = slice("");
    keys[2].data = (const uint8_t *)large, keys[2].len = sizeof large;
    keys[3] = slice("k");
    CHECK_STATUS(warp_multi_get(db, 4, keys, values, statuses), WARP_OK);
    CHECK_STATUS(statuses[0], WARP_OK);
    CHECK_STATUS(statuses[1], WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(statuses[2], WARP_ERR_TOO_LARGE);
    CHECK_STATUS(statuses[3], WARP_OK);
    CHECK(values[1].data == NULL && values[2].data == NULL);
    for (int i = 0; i < 4; i++) {
        warp_value_release(&values[i]);
    }

    /* A length that no memory has is refused before anything reads that far. */
    keys[2].len = SIZE_MAX;
    CHECK_STATUS(warp_multi_get(db, 4, keys, values, statuses), WARP_OK);
    CHECK_STATUS(statuses[2], WARP_ERR_TOO_LARGE);
    CHECK_STATUS(statuses[3], WARP_OK);
    for (int i = 0; i < 4; i++) {
        warp_value_release(&values[i]);
    }

    memset(values, 0xff, sizeof values);
    keys[2].data = NULL;
    CHECK_STATUS(warp_multi_get(db, 4, keys, values, statuses), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("keys[2] is NULL");
    for (int i = 0; i < 4; i++) {
        CHECK(values[i].data == NULL);
        CHECK_STATUS(statuses[i], WARP_ERR_INVALID_ARGUMENT);
        warp_value_release(&values[i]);
    }
    CHECK_STATUS(warp_multi_get(db, 4, NULL, values, statuses), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_multi_get(db, 4, keys, NULL, statuses), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_multi_get(db, 4, keys, values, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_multi_get(db, SIZE_MAX, keys, values, statuses), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_multi_get(NULL, 1, keys, values, statuses), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_multi_get(db, 0, NULL, NULL, NULL), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    many_keys();
    odd_keys_spoil_only_themselves();
    return 0;
}
