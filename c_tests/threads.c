/* One handle, many threads: writes of disjoint keys, reads of all, counters by compare-and-swap. */
#include "dir.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 2000, COUNTS = 200 };

static warp_db *db;

static void *work(void *argument) {
    const int me = (int)(size_t)argument;
    char key[32], value[32], buf[32];
    size_t len;
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof key, "t%d:%d", me, i % 100);
        snprintf(value, sizeof value, "%d:%d", me, i);
        CHECK_STATUS(put(db, key, value), WARP_OK);
        CHECK(has(db, key, value));
        snprintf(key, sizeof key, "t%d:%d", (me + 1) % THREADS, i % 100);
        const warp_status got = warp_get(db, key, strlen(key), buf, sizeof buf, &len);
        CHECK(got == WARP_OK || got == WARP_NOT_FOUND);
        CHECK(got != WARP_OK || (len >= 3 && buf[0] == '0' + (me + 1) % THREADS));
        if (i % 500 == 0) {
            CHECK_STATUS(warp_sync(db), WARP_OK);
            CHECK_STATUS(warp_checkpoint(db), WARP_OK);
        }
    }
    for (int done = 0; done < COUNTS;) {
        CHECK_STATUS(warp_get(db, "counter", 7, buf, sizeof buf - 1, &len), WARP_OK);
        buf[len] = '\0';
        snprintf(value, sizeof value, "%d", atoi(buf) + 1);
        const warp_slice before = slice(buf), after = slice(value);
        const warp_status got = warp_compare_and_swap(db, "counter", 7, &before, &after);
        CHECK(got == WARP_OK || got == WARP_CONFLICT);
        done += got == WARP_OK;
    }
    return NULL;
}

/* Batches, iterators and pinned values made here are used and freed by another thread. */
static void *use_and_free(void *argument) {
    void **things = argument;
    warp_slice k, v;
    CHECK_STATUS(warp_write(db, things[0]), WARP_OK);
    warp_batch_free(things[0]);
    CHECK_STATUS(warp_iter_next(things[1], &k, &v), WARP_OK);
    warp_iter_free(things[1]);
    CHECK(((warp_value *)things[2])->len > 0);
    warp_value_release(things[2]);
    return NULL;
}

static void run(void) {
    pthread_t threads[THREADS];
    char total[16];
    CHECK_STATUS(put(db, "counter", "0"), WARP_OK);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    snprintf(total, sizeof total, "%d", THREADS * COUNTS);
    CHECK(has(db, "counter", total));

    warp_value value;
    warp_iter *it = NULL;
    void *things[3];
    things[0] = warp_batch_new();
    CHECK_STATUS(warp_batch_put(things[0], "moved", 5, "1", 1), WARP_OK);
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &it), WARP_OK);
    CHECK_STATUS(warp_get_pinned(db, "counter", 7, &value), WARP_OK);
    things[1] = it;
    things[2] = &value;
    CHECK(pthread_create(&threads[0], NULL, use_and_free, things) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0);
    CHECK(has(db, "moved", "1") && value.data == NULL);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    db = open_memory();
    run();
    db = open_path(dir_file("db"));
    run();
    return 0;
}
