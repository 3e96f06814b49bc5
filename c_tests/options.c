/* Options: every name, refused values, and what they do to an open. */
#include "dir.h"

static const char *const known[][2] = {
    {"shards", "8"},           {"durability", "sync"},
    {"sync_interval_ms", "5"}, {"memory_limit", "64M"},
    {"create_if_missing", "false"}, {"error_if_exists", "true"},
    {"read_only", "true"},     {"open_timeout_ms", "0"},
    {"checkpoint_interval_ms", "1000"}, {"checkpoint_log_bytes", "1G"},
    {"pin_shards", "true"},
};

static void every_name_is_known(void) {
    warp_options *o = warp_options_new();
    CHECK(o != NULL);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        CHECK_STATUS(warp_options_set(o, known[i][0], known[i][1]), WARP_OK);
    }
    warp_options_free(o);
}

static void the_rest_is_refused(void) {
    warp_options *o = warp_options_new();
    CHECK_STATUS(warp_options_set(o, "shard", "8"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("\"shard\"");
    CHECK_TEXT("open_timeout_ms");
    CHECK_STATUS(warp_options_set(o, "shards", "0"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_options_set(o, "shards", "1025"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_options_set(o, "shards", ""), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_options_set(o, "durability", "fast"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_options_set(o, "memory_limit", "2T"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_options_set(o, "read_only", "yes"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_options_set(o, "shards", "\xff"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("UTF-8");
    CHECK_STATUS(warp_options_set(NULL, "shards", "8"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("options is NULL");
    CHECK_STATUS(warp_options_set(o, NULL, "8"), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("name is NULL");
    CHECK_STATUS(warp_options_set(o, "shards", NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("value is NULL");
    warp_options_free(o);
    warp_options_free(NULL);
}

static void they_take_effect_and_are_not_kept(void) {
    warp_options *o = warp_options_new();
    warp_db *db = NULL;
    warp_statistics s;
    CHECK_STATUS(warp_options_set(o, "shards", "7"), WARP_OK);
    CHECK_STATUS(warp_open(NULL, o, &db), WARP_OK);
    warp_options_free(o);
    s.struct_size = sizeof s;
    CHECK_STATUS(warp_stats(db, &s), WARP_OK);
    CHECK(s.shards == 7);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    every_name_is_known();
    the_rest_is_refused();
    they_take_effect_and_are_not_kept();
    return 0;
}
