/* Statistics: counters, callers older and newer than the library, JSON. */
#include "dir.h"

static void counters(void) {
    warp_db *db = open_memory();
    warp_statistics s;
    size_t len;
    CHECK_STATUS(put(db, "a", "1"), WARP_OK);
    CHECK_STATUS(put(db, "a", "2"), WARP_OK);
    CHECK_STATUS(put(db, "b", "1"), WARP_OK);
    CHECK_STATUS(warp_delete(db, "b", 1), WARP_OK);
    CHECK_STATUS(warp_delete(db, "b", 1), WARP_NOT_FOUND);
    CHECK_STATUS(warp_get(db, "b", 1, NULL, 0, &len), WARP_NOT_FOUND);
    CHECK(has(db, "a", "2"));
    s.struct_size = sizeof s;
    CHECK_STATUS(warp_stats(db, &s), WARP_OK);
    CHECK(s.struct_size == sizeof s);
    CHECK(s.keys == 1);
    CHECK(s.shards == 24);
    CHECK(s.puts == 3);
    CHECK(s.deletes == 1);
    CHECK(s.gets == 2);
    CHECK(s.hits == 1);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

/* Nothing is written past struct_size, and what the library does not know is 0. */
static void sizes(void) {
    warp_db *db = open_memory();
    union {
        warp_statistics s;
        unsigned char bytes[sizeof(warp_statistics) + 64];
    } u;
    const size_t keys_end = offsetof(warp_statistics, keys) + sizeof u.s.keys;
    CHECK_STATUS(put(db, "a", "1"), WARP_OK);

    for (size_t size = sizeof(size_t); size <= sizeof u; size++) {
        memset(&u, 0xee, sizeof u);
        u.s.struct_size = size;
        CHECK_STATUS(warp_stats(db, &u.s), WARP_OK);
        CHECK(u.s.struct_size == size);
        CHECK(size < keys_end || u.s.keys == 1);
        for (size_t i = size; i < sizeof u; i++) {
            CHECK(u.bytes[i] == 0xee);
        }
        for (size_t i = sizeof(warp_statistics); i < size; i++) {
            CHECK(u.bytes[i] == 0);
        }
    }

    for (size_t size = 0; size < sizeof(size_t); size++) {
        memset(&u, 0xee, sizeof u);
        u.s.struct_size = size;
        CHECK_STATUS(warp_stats(db, &u.s), WARP_ERR_INVALID_ARGUMENT);
        CHECK_TEXT("struct_size");
        CHECK(u.bytes[sizeof(size_t)] == 0xee);
    }
    u.s.struct_size = SIZE_MAX;
    CHECK_STATUS(warp_stats(db, &u.s), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_stats(db, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_stats(NULL, &u.s), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void json(void) {
    warp_db *db = open_memory();
    char *text = NULL, *wrong = (char *)&text;
    CHECK_STATUS(warp_stats_json(db, &text), WARP_OK);
    CHECK(text != NULL && text[0] == '{' && text[strlen(text) - 1] == '}');
    warp_string_free(text);
    warp_string_free(NULL);
    CHECK_STATUS(warp_stats_json(db, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_stats_json(NULL, &wrong), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    sizes();
    json();
    counters();
    return 0;
}
