/* Durability and upkeep, in memory: sync, tokens, checkpoint, compact. */
#include "dir.h"

int main(void) {
    warp_db *db = open_memory();
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        CHECK_STATUS(put(db, key, "v"), WARP_OK);
    }
    const uint64_t token = warp_token(db);
    CHECK(token != 0);
    CHECK_STATUS(warp_wait_durable(db, token, 10000), WARP_OK);
    CHECK_STATUS(warp_is_durable(db, token), WARP_OK);
    CHECK(warp_token(db) >= token);
    CHECK_STATUS(warp_wait_durable(db, 0, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("token 0");
    CHECK_STATUS(warp_is_durable(db, 0), WARP_ERR_INVALID_ARGUMENT);

    CHECK_STATUS(warp_sync(db), WARP_OK);
    CHECK_STATUS(warp_checkpoint(db), WARP_OK);
    CHECK_STATUS(warp_compact(db), WARP_OK);
    CHECK(has(db, "k999", "v"));

    CHECK(warp_token(NULL) == 0);
    CHECK_TEXT("db is NULL");
    CHECK_STATUS(warp_sync(NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_wait_durable(NULL, token, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_is_durable(NULL, token), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_checkpoint(NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_compact(NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_backup(NULL, "/nowhere"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_backup(db, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("dir is NULL");
    CHECK_STATUS(warp_backup(db, ""), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("dir is empty");
    CHECK_STATUS(warp_close(db), WARP_OK);
    return 0;
}
