/* warp_get_if_changed: a revision is the same for the life of a value, and no other value of the
   key, whatever its bytes and however it came to be, is taken for it. */
#include "dir.h"

#include <pthread.h>

/* Reads a key whose value is known; checks that both calls say the same. */
static warp_status ask(warp_db *db, const char *key, uint64_t known, char *buf, size_t room,
                       uint64_t *revision) {
    size_t len = 77, len_now = 77;
    uint64_t revision_now = 77;
    const warp_status status =
        warp_get_if_changed(db, key, strlen(key), known, buf, room - 1, &len, revision);
    const warp_status now = warp_get_if_changed_nowait(db, key, strlen(key), known, buf, room - 1,
                                                       &len_now, &revision_now);
    CHECK(now == status && len_now == len && revision_now == *revision);
    CHECK((*revision == 0) == (status == WARP_NOT_FOUND));
    CHECK(status != WARP_UNCHANGED || (*revision == known && len == 0));
    CHECK(status != WARP_NOT_FOUND || len == 0);
    if (status == WARP_OK) {
        buf[len] = '\0';
    }
    return status;
}

/* The revision of a key that must have this value, and not be the one that is known. */
static uint64_t changed(warp_db *db, const char *key, uint64_t known, const char *value) {
    char buf[64];
    uint64_t revision;
    CHECK_STATUS(ask(db, key, known, buf, sizeof buf, &revision), WARP_OK);
    CHECK(strcmp(buf, value) == 0 && revision != known && revision != 0);
    CHECK_STATUS(ask(db, key, revision, buf, sizeof buf, &known), WARP_UNCHANGED);
    return revision;
}

static void unchanged(warp_db *db, const char *key, uint64_t known) {
    char buf[2] = "x";
    uint64_t revision;
    CHECK_STATUS(ask(db, key, known, buf, sizeof buf, &revision), WARP_UNCHANGED);
    CHECK(buf[0] == 'x');
}

static void answers(void) {
    warp_db *db = open_memory();
    char buf[8];
    size_t len = 9;
    uint64_t revision = 9;
    CHECK_STATUS(ask(db, "k", 0, buf, sizeof buf, &revision), WARP_NOT_FOUND);
    CHECK_STATUS(put(db, "k", "one"), WARP_OK);
    const uint64_t one = changed(db, "k", 0, "one");
    /* Unchanged whatever the room. */
    CHECK_STATUS(warp_get_if_changed(db, "k", 1, one, NULL, 0, &len, &revision), WARP_UNCHANGED);
    CHECK_STATUS(put(db, "k", "three times as long"), WARP_OK);
    memcpy(buf, "intact", 7);
    CHECK_STATUS(warp_get_if_changed(db, "k", 1, one, buf, 7, &len, &revision),
                 WARP_BUFFER_TOO_SMALL);
    CHECK(len == 19 && revision != one && revision != 0 && strcmp(buf, "intact") == 0);
    CHECK(changed(db, "k", one, "three times as long") == revision);
    /* An empty value is a value. */
    CHECK_STATUS(put(db, "empty", ""), WARP_OK);
    changed(db, "empty", 0, "");

    const warp_status invalid = WARP_ERR_INVALID_ARGUMENT;
    CHECK_STATUS(warp_get_if_changed(NULL, "k", 1, 0, buf, 1, &len, &revision), invalid);
    CHECK_STATUS(warp_get_if_changed(db, "k", 0, 0, buf, 1, &len, &revision), invalid);
    CHECK_STATUS(warp_get_if_changed(db, NULL, 1, 0, buf, 1, &len, &revision), invalid);
    CHECK_STATUS(warp_get_if_changed(db, "k", 1, 0, NULL, 1, &len, &revision), invalid);
    CHECK_STATUS(warp_get_if_changed(db, "k", 1, 0, buf, 1, NULL, &revision), invalid);
    CHECK_TEXT("value_len is NULL");
    CHECK_STATUS(warp_get_if_changed_nowait(db, "k", 1, 0, buf, 1, &len, NULL), invalid);
    CHECK_TEXT("revision is NULL");
    CHECK_STATUS(warp_get_if_changed_nowait(NULL, "k", 1, 0, buf, 1, &len, &revision), invalid);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

/* The same bytes again are another value. */
static void every_write_changes(warp_db *db) {
    const warp_slice same = slice("same");
    warp_batch *batch = warp_batch_new();
    uint64_t known, revision;
    char buf[8];
    CHECK_STATUS(put(db, "k", "same"), WARP_OK);
    known = changed(db, "k", 0, "same");
    CHECK_STATUS(put(db, "k", "same"), WARP_OK);
    known = changed(db, "k", known, "same");
    CHECK_STATUS(warp_put_hinted(db, "k", 1, "same", 4, WARP_COLD), WARP_OK);
    known = changed(db, "k", known, "same");
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, &same, &same), WARP_OK);
    known = changed(db, "k", known, "same");
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(warp_delete(db, "k", 1), WARP_OK);
        CHECK_STATUS(ask(db, "k", known, buf, sizeof buf, &revision), WARP_NOT_FOUND);
        CHECK_STATUS(put(db, "k", "same"), WARP_OK);
        known = changed(db, "k", known, "same");
    }
    CHECK_STATUS(warp_batch_put(batch, "other", 5, "same", 4), WARP_OK);
    CHECK_STATUS(warp_batch_delete(batch, "k", 1), WARP_OK);
    CHECK_STATUS(warp_batch_put(batch, "k", 1, "same", 4), WARP_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(warp_write(db, batch), WARP_OK);
        known = changed(db, "k", known, "same");
    }
    /* What did not happen changes nothing. */
    CHECK_STATUS(warp_compare_and_swap(db, "k", 1, NULL, &same), WARP_CONFLICT);
    CHECK_STATUS(warp_delete(db, "missing", 7), WARP_NOT_FOUND);
    CHECK_STATUS(put(db, "neighbour", "same"), WARP_OK);
    unchanged(db, "k", known);
    warp_batch_free(batch);
}

/* Compaction, checkpoints, moves and rules leave a value what it is; and after a move to a shard
   that has had few writes, the next write of the key is a change all the same. */
static void moves_change_nothing(warp_db *db) {
    static const char *const rule[] = {"move:*", "group:*"};
    uint64_t known, moved;
    uint32_t shard;
    for (int i = 0; i < 1000; i++) {
        CHECK_STATUS(put(db, "move:1", "v"), WARP_OK);
    }
    known = changed(db, "move:1", 0, "v");
    CHECK_STATUS(warp_checkpoint(db), WARP_OK);
    CHECK_STATUS(warp_compact(db), WARP_OK);
    unchanged(db, "move:1", known);
    CHECK_STATUS(warp_shard_of(db, "move:1", 6, &shard), WARP_OK);
    for (uint32_t slot = 0; slot < 4096; slot++) {
        CHECK_STATUS(warp_move_slot(db, slot, (shard + 1) % 4), WARP_OK);
    }
    CHECK_STATUS(warp_shard_of(db, "move:1", 6, &shard), WARP_OK);
    unchanged(db, "move:1", known);
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(put(db, "move:1", "v"), WARP_OK);
        moved = changed(db, "move:1", known, "v");
        CHECK(moved > known); /* not promised, but it is how no number comes again */
        known = moved;
    }
    const warp_slice patterns[] = {slice(rule[0]), slice(rule[1])};
    CHECK_STATUS(warp_add_rule(db, 2, patterns, WARP_RULE_PLACE), WARP_OK);
    unchanged(db, "move:1", known);
    CHECK_STATUS(put(db, "move:1", "v"), WARP_OK);
    changed(db, "move:1", known, "v");
}

static warp_db *open_small(const char *path, const char *durability) {
    warp_options *options = warp_options_new();
    warp_db *db;
    CHECK_STATUS(warp_options_set(options, "shards", "4"), WARP_OK);
    CHECK_STATUS(warp_options_set(options, "memory_limit", "1M"), WARP_OK);
    CHECK_STATUS(warp_options_set(options, "durability", durability), WARP_OK);
    CHECK_STATUS(warp_open(path, options, &db), WARP_OK);
    warp_options_free(options);
    return db;
}

static void on_disk(const char *durability) {
    warp_db *db = open_small(dir_file(durability), durability);
    every_write_changes(db);
    moves_change_nothing(db);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

/* A directory that is made anew gives the same numbers to other values, as one that has lost its
   last writes with the power does. */
static void openings_have_revisions_of_their_own(void) {
    warp_db *db = open_path(dir_file("first"));
    CHECK_STATUS(put(db, "k", "first"), WARP_OK);
    const uint64_t known = changed(db, "k", 0, "first");
    char backup[4200];
    strcpy(backup, dir_file("backup"));
    CHECK_STATUS(warp_backup(db, backup), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(dir_file("first"));
    changed(db, "k", known, "first");
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(backup);
    changed(db, "k", known, "first");
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(dir_file("second"));
    CHECK_STATUS(put(db, "k", "second"), WARP_OK);
    changed(db, "k", known, "second");
    CHECK_STATUS(warp_close(db), WARP_OK);
    for (int i = 0; i < 2; i++) {
        db = open_memory();
        CHECK_STATUS(put(db, "k", "third"), WARP_OK);
        changed(db, "k", known, "third");
        CHECK_STATUS(warp_close(db), WARP_OK);
    }
}

/* Values on the disk: the revision is that of the record, wherever it is read from. */
static void cold_values(void) {
    enum { KEYS = 2000, SIZE = 4000 };
    static unsigned char bytes[SIZE], got[SIZE];
    static uint64_t known[KEYS];
    unsigned waits = 0;
    size_t len;
    uint64_t revision;
    warp_db *db = open_small(dir_file("cold"), "process");
    for (unsigned n = 0; n < KEYS; n++) {
        memset(bytes, (int)(n % 251), SIZE);
        CHECK_STATUS(warp_put(db, &n, sizeof n, bytes, SIZE), WARP_OK);
        CHECK_STATUS(
            warp_get_if_changed(db, &n, sizeof n, 0, got, SIZE, &len, &known[n]), WARP_OK);
    }
    for (unsigned n = 0; n < KEYS; n++) {
        const warp_status status = warp_get_if_changed_nowait(db, &n, sizeof n, known[n], got,
                                                              SIZE, &len, &revision);
        CHECK(status == WARP_UNCHANGED || status == WARP_WOULD_BLOCK);
        CHECK(len == 0 && revision == (status == WARP_UNCHANGED ? known[n] : 0));
        waits += status == WARP_WOULD_BLOCK;
        CHECK_STATUS(
            warp_get_if_changed(db, &n, sizeof n, known[n], got, SIZE, &len, &revision),
            WARP_UNCHANGED);
        CHECK_STATUS(warp_get_if_changed(db, &n, sizeof n, 0, got, SIZE, &len, &revision),
                     WARP_OK);
        CHECK(len == SIZE && revision == known[n]);
        CHECK(got[0] == n % 251 && got[SIZE - 1] == n % 251);
    }
    CHECK(waits < KEYS);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

/* Writers of one key, and a reader that never takes a value for one that was overwritten before it
   asked. */
enum { WRITES = 30000 };
static warp_db *shared;
static unsigned written; /* by one writer, atomically */

static void *write_all(void *argument) {
    (void)argument;
    for (unsigned n = 1; n <= WRITES; n++) {
        if (n % 7 == 0) {
            CHECK_STATUS(warp_delete(shared, "k", 1), WARP_OK);
        }
        CHECK_STATUS(warp_put(shared, "k", 1, &n, sizeof n), WARP_OK);
        __atomic_store_n(&written, n, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void never_stale(void) {
    pthread_t writer;
    uint64_t known = 0, revision;
    unsigned value = 0, got = 0, before = 0;
    size_t len;
    shared = open_memory();
    CHECK(pthread_create(&writer, NULL, write_all, NULL) == 0);
    while (before < WRITES) {
        before = __atomic_load_n(&written, __ATOMIC_ACQUIRE);
        const warp_status status = warp_get_if_changed_nowait(shared, "k", 1, known, &got,
                                                              sizeof got, &len, &revision);
        if (status == WARP_NOT_FOUND) {
            continue;
        }
        if (status == WARP_OK) {
            CHECK(len == sizeof got && got != value);
            known = revision;
            value = got;
        } else {
            CHECK_STATUS(status, WARP_UNCHANGED);
        }
        CHECK(value >= before);
    }
    CHECK(pthread_join(writer, NULL) == 0);
    CHECK(value == WRITES);
    unchanged(shared, "k", known);
    CHECK_STATUS(warp_close(shared), WARP_OK);
}

int main(void) {
    answers();
    warp_db *db = open_memory();
    every_write_changes(db);
    CHECK_STATUS(warp_close(db), WARP_OK);
    on_disk("process");
    on_disk("sync");
    openings_have_revisions_of_their_own();
    cold_values();
    never_stale();
    return 0;
}
