/* Iterators and pinned values outlive warp_close, in whatever order things go. */
#include "dir.h"

static void run(warp_db *db) {
    warp_iter *fresh = NULL, *started = NULL, *unused = NULL;
    warp_value value, values[2];
    warp_status statuses[2];
    warp_slice k, v;
    const warp_slice keys[2] = {slice("k1"), slice("none")};
    int n = 0;
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        CHECK_STATUS(put(db, key, "a value of some length"), WARP_OK);
    }
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &fresh), WARP_OK);
    CHECK_STATUS(warp_iter_new(db, "k", 1, &started), WARP_OK);
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &unused), WARP_OK);
    CHECK_STATUS(warp_iter_next(started, &k, &v), WARP_OK);
    CHECK_STATUS(warp_get_pinned(db, "k0", 2, &value), WARP_OK);
    CHECK_STATUS(warp_multi_get(db, 2, keys, values, statuses), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);

    CHECK(v.len == 22 && memcmp(v.data, "a value of", 10) == 0);
    CHECK(value.len == 22 && memcmp(value.data, "a value of", 10) == 0);
    CHECK(values[0].len == 22 && memcmp(values[0].data, "a value of", 10) == 0);
    while (warp_iter_next(fresh, &k, &v) == WARP_OK) {
        CHECK(v.len == 22 && memcmp(v.data, "a value of", 10) == 0);
        n++;
    }
    CHECK(n == 100);
    for (n = 1; warp_iter_next(started, &k, &v) == WARP_OK; n++) {
    }
    CHECK(n == 100);
    warp_iter_free(started);
    warp_value_release(&values[0]);
    warp_value_release(&values[1]);
    warp_iter_free(unused);
    CHECK(value.len == 22 && memcmp(value.data, "a value of", 10) == 0);
    warp_iter_free(fresh);
    CHECK(memcmp(value.data, "a value of", 10) == 0);
    warp_value_release(&value);
}

int main(void) {
    run(open_memory());
    run(open_path(dir_file("db")));
    return 0;
}
