/* What survives a close, an exit without a close, a backup; and what an open refuses. */
#include "dir.h"

static warp_status open_with(const char *path, const char *name, const char *value,
                             warp_db **db) {
    warp_options *o = warp_options_new();
    CHECK_STATUS(warp_options_set(o, "open_timeout_ms", "50"), WARP_OK);
    CHECK_STATUS(warp_options_set(o, name, value), WARP_OK);
    const warp_status status = warp_open(path, o, db);
    warp_options_free(o);
    return status;
}

static void a_close_keeps_everything(const char *path) {
    warp_db *db = open_path(path);
    CHECK_STATUS(put(db, "kept", "1"), WARP_OK);
    CHECK_STATUS(put(db, "deleted", "1"), WARP_OK);
    CHECK_STATUS(warp_delete(db, "deleted", 7), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(path);
    CHECK(has(db, "kept", "1") && missing(db, "deleted"));
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void write_and_die(void *path) {
    warp_db *db = open_path(path);
    CHECK_STATUS(put(db, "crashed", "1"), WARP_OK);
    CHECK_STATUS(warp_delete(db, "kept", 4), WARP_OK);
}

static void the_death_of_the_process_takes_nothing(char *path) {
    in_child(write_and_die, path);
    warp_db *db = open_path(path);
    CHECK(has(db, "crashed", "1") && missing(db, "kept"));
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void an_open_refuses_what_does_not_fit(const char *path) {
    warp_db *db = NULL, *second = (warp_db *)&db;
    CHECK_STATUS(open_with(path, "error_if_exists", "true", &second), WARP_ERR_INVALID_ARGUMENT);
    CHECK(second == NULL);
    CHECK_STATUS(open_with(path, "shards", "3", &second), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(open_with(dir_file("none"), "create_if_missing", "false", &second),
                 WARP_ERR_INVALID_ARGUMENT);

    db = open_path(path);
    CHECK_STATUS(open_with(path, "shards", "24", &second), WARP_ERR_BUSY);
    CHECK_STATUS(warp_close(db), WARP_OK);

    CHECK_STATUS(open_with(path, "read_only", "true", &db), WARP_OK);
    CHECK(has(db, "crashed", "1"));
    CHECK_STATUS(put(db, "k", "v"), WARP_ERR_READ_ONLY);
    CHECK_STATUS(warp_delete(db, "crashed", 7), WARP_ERR_READ_ONLY);
    CHECK(has(db, "crashed", "1"));
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void a_backup_opens_by_itself(const char *path) {
    char copy[4200];
    snprintf(copy, sizeof copy, "%s", dir_file("backup"));
    warp_db *db = open_path(path);
    CHECK_STATUS(put(db, "before", "1"), WARP_OK);
    CHECK_STATUS(warp_backup(db, copy), WARP_OK);
    CHECK_STATUS(put(db, "after", "1"), WARP_OK);
    CHECK_STATUS(warp_delete(db, "before", 6), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(copy);
    CHECK(has(db, "before", "1") && missing(db, "after") && has(db, "crashed", "1"));
    CHECK_STATUS(put(db, "more", "1"), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void a_checkpoint_leaves_nothing_to_replay(const char *path) {
    warp_db *db = open_path(path);
    warp_statistics s;
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "c%d", i);
        CHECK_STATUS(put(db, key, "v"), WARP_OK);
    }
    CHECK_STATUS(warp_checkpoint(db), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(path);
    s.struct_size = sizeof s;
    CHECK_STATUS(warp_stats(db, &s), WARP_OK);
    CHECK(s.recovered_records == 0 && s.keys >= 1000 && s.open_micros > 0);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    char path[4200];
    snprintf(path, sizeof path, "%s", dir_file("db"));
    a_close_keeps_everything(path);
    the_death_of_the_process_takes_nothing(path);
    an_open_refuses_what_does_not_fit(path);
    a_backup_opens_by_itself(path);
    a_checkpoint_leaves_nothing_to_replay(path);
    return 0;
}
