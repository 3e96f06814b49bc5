/* The load monitor: a skew is told within two seconds, an even load never is. */
#include "dir.h"

#include <time.h>

#ifndef WARP_SLOW_THREADS
static double now(void) {
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int told(warp_db *db, const char *what) {
    char *json;
    CHECK_STATUS(warp_events_json(db, 0, &json), WARP_OK);
    CHECK(strncmp(json, "{\"next\":", 8) == 0);
    const int found = strstr(json, what) != NULL;
    warp_string_free(json);
    return found;
}

/* Reads all keys in turn, and every other time one of them alone if it is hot. */
static void load(warp_db *db, int hot, double seconds, const char *until) {
    const double end = now() + seconds;
    char buf[64];
    size_t len;
    unsigned random = 1;
    while (now() < end && (until == NULL || !told(db, until))) {
        for (int i = 0; i < 20000; i++) {
            char key[32];
            random = random * 1664525u + 1013904223u;
            snprintf(key, sizeof key, "key%u", hot && (i & 1) ? 7u : (random >> 8) % 20000u);
            CHECK_STATUS(warp_get(db, key, strlen(key), buf, sizeof buf, &len), WARP_OK);
        }
    }
}

static void skew(void) {
    warp_db *db = open_memory();
    char *text;
    for (int i = 0; i < 20000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%d", i);
        CHECK_STATUS(put(db, key, "value"), WARP_OK);
    }
    load(db, 0, 2.0, NULL);
    CHECK(!told(db, "skew"));
    load(db, 1, 10.0, "skew_began");
    CHECK(told(db, "skew_began"));
    CHECK_STATUS(warp_stats_json(db, &text), WARP_OK);
    CHECK(strstr(text, "{\"key\":\"key7\",\"share\":0.") != NULL);
    warp_string_free(text);
    CHECK_STATUS(warp_stats_openmetrics(db, &text), WARP_OK);
    CHECK(strstr(text, "\nwarp_load_skewed 1\n") != NULL);
    CHECK(strstr(text, "\nwarp_hot_key_share{key=\"key7\"} 0.") != NULL);
    CHECK(strcmp(text + strlen(text) - 6, "# EOF\n") == 0);
    warp_string_free(text);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

#endif

static void arguments(void) {
    warp_db *db = open_memory();
    char *text = NULL;
    CHECK_STATUS(warp_events_json(db, 5, &text), WARP_OK);
    CHECK(strcmp(text, "{\"next\":1,\"events\":[]}") == 0);
    warp_string_free(text);
    CHECK_STATUS(warp_events_json(db, 0, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_events_json(NULL, 0, &text), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_stats_openmetrics(db, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_stats_openmetrics(NULL, &text), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
#ifndef WARP_SLOW_THREADS
    skew();
#endif
    arguments();
    return 0;
}
