/*
 * The reaper: one thread that frees what the garbage collector drops.
 *
 * Destructors run on a scheduler in the middle of a collection, and freeing may wait: closing a
 * database syncs it, and the last iterator or pinned value of a segment unmaps the segment. So
 * destructors put the thing into a list and return; the thread works the list off, oldest first.
 * The lock is held for a few instructions by either side, never during work.
 *
 * The thread starts with the first thing dropped and stays until the emulator ends. (Nobody could
 * join it without waiting, which is why the library is linked with -z nodelete.) If it cannot be
 * started the list grows, and the next drop tries again. What is in the list when the emulator
 * ends is left as a crash would leave it: every acknowledged write is kept as its durability says.
 */
#include "nif.h"
#include <stdlib.h>

enum kind { DB, ITER, VALUE };

struct item {
    struct item *next;
    enum kind kind;
    union {
        warp_db *db;
        warp_iter *iter;
        warp_value value;
    } what;
};

static struct {
    ErlNifMutex *lock;
    ErlNifCond *some;
    struct item *first;
    struct item **end;
    bool running;
} list;

bool reaper_init(void) {
    if (list.lock) return true; /* the same library, loaded again */
    list.lock = enif_mutex_create("warp_reaper");
    list.some = enif_cond_create("warp_reaper");
    list.end = &list.first;
    return list.lock && list.some;
}

static void finish(struct item *item) {
    switch (item->kind) {
    case DB: warp_close(item->what.db); break;
    case ITER: warp_iter_free(item->what.iter); break;
    case VALUE: warp_value_release(&item->what.value); break;
    }
}

static void *work(void *unused) {
    (void)unused;
    for (;;) {
        enif_mutex_lock(list.lock);
        while (!list.first) enif_cond_wait(list.some, list.lock);
        struct item *item = list.first;
        list.first = NULL;
        list.end = &list.first;
        enif_mutex_unlock(list.lock);
        while (item) {
            struct item *next = item->next;
            finish(item);
            free(item);
            item = next;
        }
    }
    return NULL;
}

static void drop(struct item *item) {
    ErlNifTid thread;
    item->next = NULL;
    enif_mutex_lock(list.lock);
    bool first = !list.first;
    *list.end = item;
    list.end = &item->next;
    if (!list.running) {
        list.running = enif_thread_create("warp_reaper", &thread, work, NULL, NULL) == 0;
    } else if (first) {
        enif_cond_signal(list.some);
    }
    enif_mutex_unlock(list.lock);
}

/* Without memory for the item the thing is freed on the spot: the alternative is to leak it. */
static void reap(struct item like) {
    struct item *item = malloc(sizeof *item);
    if (!item) {
        finish(&like);
        return;
    }
    *item = like;
    drop(item);
}

void reap_db(warp_db *db) { reap((struct item){.kind = DB, .what.db = db}); }
void reap_iter(warp_iter *iter) { reap((struct item){.kind = ITER, .what.iter = iter}); }
void reap_value(const warp_value *value) { reap((struct item){.kind = VALUE, .what.value = *value}); }
