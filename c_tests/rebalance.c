/* Slots move between shards, and every key stays where it can be found. */
#include "dir.h"

static void slots_move(void) {
    const char *path = dir_file("moves");
    warp_db *db = open_path(path);
    uint32_t before, after;
    uint64_t moved = 77;
    char key[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key:%d", i);
        CHECK_STATUS(put(db, key, key), WARP_OK);
    }
    CHECK_STATUS(warp_shard_of(db, "key:0", 5, &before), WARP_OK);
    for (uint32_t slot = 0; slot < 4096; slot++) {
        CHECK_STATUS(warp_move_slot(db, slot, slot % 3), WARP_OK);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "key:%d", i);
            CHECK(has(db, key, key));
            CHECK_STATUS(warp_shard_of(db, key, strlen(key), &after), WARP_OK);
            CHECK(after < 3);
        }
        CHECK_STATUS(warp_close(db), WARP_OK);
        db = open_path(path);
    }
    /* 3 of 24 shards have everything. */
    CHECK_STATUS(warp_rebalance(db, &moved), WARP_OK);
    CHECK(moved > 100);
    CHECK_STATUS(warp_rebalance(db, NULL), WARP_OK);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key:%d", i);
        CHECK(has(db, key, key));
    }
    CHECK_STATUS(warp_move_slot(db, 4096, 0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_move_slot(db, 0, 24), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_move_slot(NULL, 0, 0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_rebalance(NULL, &moved), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    slots_move();
    return 0;
}
