/* Rules: groups share a shard, keys that were there move, rules outlive the process. */
#include "dir.h"

static uint32_t shard_of(warp_db *db, const char *key) {
    uint32_t shard = UINT32_MAX;
    CHECK_STATUS(warp_shard_of(db, key, strlen(key), &shard), WARP_OK);
    return shard;
}

static warp_status add(warp_db *db, const char *first, const char *second) {
    warp_slice patterns[2];
    patterns[0] = slice(first);
    patterns[1] = slice(second);
    return warp_add_rule(db, 2, patterns, WARP_RULE_PLACE | WARP_RULE_LINK);
}

/* How many of 200 groups have both keys in one shard; every key must be found. */
static int together(warp_db *db) {
    int count = 0;
    for (int i = 0; i < 200; i++) {
        char user[32], profile[32];
        snprintf(user, sizeof user, "user:%d", i);
        snprintf(profile, sizeof profile, "profile:%d", i);
        CHECK(has(db, user, user));
        CHECK(has(db, profile, profile));
        count += shard_of(db, user) == shard_of(db, profile);
    }
    return count;
}

static void fill(warp_db *db) {
    for (int i = 0; i < 200; i++) {
        char key[32];
        snprintf(key, sizeof key, "user:%d", i);
        CHECK_STATUS(put(db, key, key), WARP_OK);
        snprintf(key, sizeof key, "profile:%d", i);
        CHECK_STATUS(put(db, key, key), WARP_OK);
    }
}

static void groups_share_a_shard(void) {
    warp_db *db = open_memory();
    char *json;
    fill(db);
    CHECK(together(db) < 100);
    CHECK_STATUS(add(db, "user:*", "profile:*"), WARP_OK);
    CHECK(together(db) == 200);
    CHECK_STATUS(warp_rules_json(db, &json), WARP_OK);
    CHECK(strcmp(json, "{\"rules\":[{\"patterns\":[\"user:*\",\"profile:*\"],\"place\":true,"
                       "\"link\":true}]}") == 0);
    warp_string_free(json);
    CHECK_STATUS(warp_remove_rule(db, "profile:*", 9), WARP_NOT_FOUND);
    CHECK_STATUS(warp_remove_rule(db, "user:*", 6), WARP_OK);
    CHECK(together(db) < 100);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void wrong_rules(void) {
    warp_db *db = open_memory();
    warp_slice pattern = slice("user:*");
    char *json = NULL;
    uint32_t n;
    CHECK_STATUS(add(db, "user", "profile:*"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("exactly one *");
    CHECK_STATUS(add(db, "a*", "a*"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_add_rule(db, 0, NULL, WARP_RULE_PLACE), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_add_rule(db, 1, NULL, WARP_RULE_PLACE), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_add_rule(db, 1, &pattern, 0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_add_rule(db, 1, &pattern, 8), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_add_rule(NULL, 1, &pattern, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(add(db, "user:*", "profile:*"), WARP_OK);
    CHECK_STATUS(add(db, "x*", "user:*"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_remove_rule(db, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_rules_json(db, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_rules_json(NULL, &json), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_shard_of(db, "", 0, &n), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_shard_of(db, "k", 1, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_shard_cpu(db, 0, &n), WARP_OK);
    CHECK_STATUS(warp_shard_cpu(db, 24, &n), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void add_rule_and_die(void *path) {
    warp_db *db = open_path((const char *)path);
    fill(db);
    CHECK_STATUS(add(db, "user:*", "profile:*"), WARP_OK);
}

static void rules_outlive_the_process(void) {
    char path[4200];
    warp_db *db;
    snprintf(path, sizeof path, "%s", dir_file("rules"));
#ifndef WARP_NO_THREADS_AFTER_FORK
    in_child(add_rule_and_die, path);
    db = open_path(path);
    CHECK(together(db) == 200);
    CHECK_STATUS(warp_remove_rule(db, "user:*", 6), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(path);
    CHECK(together(db) < 100);
    CHECK_STATUS(warp_close(db), WARP_OK);
#else
    (void)add_rule_and_die, (void)db;
#endif
}

static void rules_come_with_the_options(void) {
    warp_options *options = warp_options_new();
    warp_db *db;
    CHECK_STATUS(warp_options_set(options, "rules", "user"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_options_set(options, "rules", "user:*,profile:*"), WARP_OK);
    CHECK_STATUS(warp_open(NULL, options, &db), WARP_OK);
    warp_options_free(options);
    fill(db);
    CHECK(together(db) == 200);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    groups_share_a_shard();
    wrong_rules();
    rules_outlive_the_process();
    rules_come_with_the_options();
    return 0;
}
