/* A child of fork: every call on a handle of the parent is refused, frees do nothing, and the
 * child may open a database of its own. */
#include "dir.h"

static warp_db *db;
static warp_iter *it;
static warp_value pinned;

#define REFUSED(call)                                        \
    do {                                                     \
        CHECK_STATUS(call, WARP_ERR_INVALID_ARGUMENT);       \
        CHECK_TEXT("fork");                                  \
    } while (0)

static void child(void *unused) {
    (void)unused;
    char buf[8];
    size_t len, count;
    warp_value value;
    warp_slice k = slice("k"), v;
    warp_status status;
    warp_statistics s;
    warp_iter *other = NULL;
    char *json = NULL;
    s.struct_size = sizeof s;

    REFUSED(put(db, "child", "1"));
    REFUSED(warp_delete(db, "k", 1));
    REFUSED(warp_exists(db, "k", 1));
    REFUSED(warp_get(db, "k", 1, buf, sizeof buf, &len));
    REFUSED(warp_get_nowait(db, "k", 1, buf, sizeof buf, &len));
    REFUSED(warp_get_pinned(db, "k", 1, &value));
    REFUSED(warp_multi_get(db, 1, &k, &value, &status));
    REFUSED(warp_compare_and_swap(db, "k", 1, NULL, &k));
    REFUSED(warp_write_encoded(db, NULL, 0));
    REFUSED(warp_sync(db));
    REFUSED(warp_wait_durable(db, 1, 1));
    REFUSED(warp_is_durable(db, 1));
    REFUSED(warp_checkpoint(db));
    REFUSED(warp_backup(db, "/nowhere"));
    REFUSED(warp_compact(db));
    REFUSED(warp_iter_new(db, NULL, 0, &other));
    REFUSED(warp_iter_next(it, &k, &v));
    REFUSED(warp_iter_next_page(it, buf, sizeof buf, &len, &count));
    REFUSED(warp_stats(db, &s));
    REFUSED(warp_stats_json(db, &json));
    CHECK(warp_token(db) == 0);

    /* A batch is the child's own memory; only writing it is refused. */
    warp_batch *batch = warp_batch_new();
    CHECK_STATUS(warp_batch_put(batch, "child", 5, "1", 1), WARP_OK);
    REFUSED(warp_write(db, batch));
    warp_batch_free(batch);

    warp_iter_free(it);
    warp_value_release(&pinned);
    CHECK(pinned.data == NULL);
    REFUSED(warp_close(db));

#ifndef WARP_NO_THREADS_AFTER_FORK
    warp_db *own = open_memory();
    CHECK_STATUS(put(own, "k", "child"), WARP_OK);
    CHECK(has(own, "k", "child"));
    CHECK_STATUS(warp_close(own), WARP_OK);
#endif
}

static void run(void) {
    warp_slice k, v;
    CHECK_STATUS(put(db, "k", "parent"), WARP_OK);
    CHECK_STATUS(warp_iter_new(db, NULL, 0, &it), WARP_OK);
    CHECK_STATUS(warp_get_pinned(db, "k", 1, &pinned), WARP_OK);

    in_child(child, NULL);

    /* Nothing of the parent's has changed. */
    CHECK(has(db, "k", "parent") && missing(db, "child"));
    CHECK_STATUS(put(db, "k", "again"), WARP_OK);
    CHECK(pinned.len == 6 && memcmp(pinned.data, "parent", 6) == 0);
    CHECK_STATUS(warp_iter_next(it, &k, &v), WARP_OK);
    warp_value_release(&pinned);
    warp_iter_free(it);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

int main(void) {
    db = open_memory();
    run();
    db = open_path(dir_file("db"));
    run();
    return 0;
}
