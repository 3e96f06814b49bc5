/*
 * What stands between cgo and the C ABI.
 *
 * 1. The text of an error belongs to the calling thread, and a goroutine may be on another thread
 *    at its next foreign call. So each shim fetches the text within the call that failed; the text
 *    is a copy that the Go side frees.
 * 2. Results come back as small structs by value: out-pointers into Go memory cost an allocation
 *    and half as much again as the call.
 * 3. Pointers to bytes are `const unsigned char *`, never `void *`, which cgo would have to check
 *    at run time.
 * 4. Handles and pinned values are numbers on the Go side. Pointers to incomplete structs, and
 *    structs with pointers in them, would be checked too, and boxed for the check before Go 1.20.
 * 5. The pointer of an empty slice of the engine may be any non-zero number. None gets into Go
 *    memory, where the collector would take it for a bad pointer.
 */
#ifndef WARP_GO_SHIM_H
#define WARP_GO_SHIM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <warp_engine.h>

typedef const unsigned char *go_bytes;
typedef uintptr_t go_db;      /* a warp_db * */
typedef uintptr_t go_iter;    /* a warp_iter * */
typedef uintptr_t go_options; /* a warp_options * */

static inline warp_db *go_warp_db(go_db db) { return (warp_db *)db; }

/* An answer and a number: a length, a count. */
typedef struct {
    size_t n;
    char *text; /* to be freed; NULL unless status is negative */
    warp_status status;
} go_answer;

static inline char *go_warp_text(warp_status status) {
    return status < 0 ? strdup(warp_last_error()) : NULL;
}

static inline go_answer go_warp_answer(warp_status status, size_t n) {
    go_answer answer = {n, go_warp_text(status), status};
    return answer;
}

/* Options and handles. */

static inline go_options go_warp_options_new(void) { return (go_options)warp_options_new(); }

static inline void go_warp_options_free(go_options options) {
    warp_options_free((warp_options *)options);
}

static inline go_answer go_warp_options_set(go_options options, const char *name,
                                            const char *value) {
    return go_warp_answer(warp_options_set((warp_options *)options, name, value), 0);
}

typedef struct {
    go_db db;
    char *text;
    warp_status status;
} go_opened;

static inline go_opened go_warp_open(const char *path, go_options options) {
    go_opened opened;
    warp_db *db = NULL;
    opened.status = warp_open(path, (const warp_options *)options, &db);
    opened.db = (go_db)db;
    opened.text = go_warp_text(opened.status);
    return opened;
}

static inline go_answer go_warp_close(go_db db) {
    return go_warp_answer(warp_close(go_warp_db(db)), 0);
}

/* Single keys. */

static inline go_answer go_warp_put(go_db db, go_bytes key, size_t key_len, go_bytes value,
                                    size_t value_len) {
    return go_warp_answer(warp_put(go_warp_db(db), key, key_len, value, value_len), 0);
}

static inline go_answer go_warp_put_hinted(go_db db, go_bytes key, size_t key_len, go_bytes value,
                                           size_t value_len, uint32_t hint) {
    return go_warp_answer(
        warp_put_hinted(go_warp_db(db), key, key_len, value, value_len, hint), 0);
}

static inline go_answer go_warp_get(go_db db, go_bytes key, size_t key_len, unsigned char *buf,
                                    size_t buf_len) {
    size_t value_len = 0;
    warp_status status = warp_get(go_warp_db(db), key, key_len, buf, buf_len, &value_len);
    return go_warp_answer(status, value_len);
}

static inline go_answer go_warp_get_nowait(go_db db, go_bytes key, size_t key_len,
                                           unsigned char *buf, size_t buf_len) {
    size_t value_len = 0;
    warp_status status = warp_get_nowait(go_warp_db(db), key, key_len, buf, buf_len, &value_len);
    return go_warp_answer(status, value_len);
}

/* An answer, a length, and the revision of a value. */
typedef struct {
    size_t n;
    uint64_t revision;
    char *text;
    warp_status status;
} go_changed;

static inline go_changed go_warp_get_if_changed(go_db db, go_bytes key, size_t key_len,
                                                uint64_t known, unsigned char *buf, size_t buf_len,
                                                int wait) {
    go_changed out = {0, 0, NULL, WARP_OK};
    if (wait) {
        out.status = warp_get_if_changed(go_warp_db(db), key, key_len, known, buf, buf_len, &out.n,
                                         &out.revision);
    } else {
        out.status = warp_get_if_changed_nowait(go_warp_db(db), key, key_len, known, buf, buf_len,
                                                &out.n, &out.revision);
    }
    out.text = go_warp_text(out.status);
    return out;
}

static inline go_answer go_warp_exists(go_db db, go_bytes key, size_t key_len) {
    return go_warp_answer(warp_exists(go_warp_db(db), key, key_len), 0);
}

static inline go_answer go_warp_exists_nowait(go_db db, go_bytes key, size_t key_len) {
    return go_warp_answer(warp_exists_nowait(go_warp_db(db), key, key_len), 0);
}

/* A NULL key is any key. */
static inline go_answer go_warp_write_would_wait(go_db db, go_bytes key, size_t key_len) {
    return go_warp_answer(warp_write_would_wait(go_warp_db(db), key, key_len), 0);
}

static inline go_answer go_warp_delete(go_db db, go_bytes key, size_t key_len) {
    return go_warp_answer(warp_delete(go_warp_db(db), key, key_len), 0);
}

/* `has_…` tells an empty slice (an empty value) from none. */
static inline go_answer go_warp_compare_and_swap(go_db db, go_bytes key, size_t key_len,
                                                 int has_expected, go_bytes expected,
                                                 size_t expected_len, int has_desired,
                                                 go_bytes desired, size_t desired_len) {
    warp_slice old_value, new_value;
    old_value.data = expected;
    old_value.len = expected_len;
    new_value.data = desired;
    new_value.len = desired_len;
    return go_warp_answer(
        warp_compare_and_swap(go_warp_db(db), key, key_len, has_expected ? &old_value : NULL,
                              has_desired ? &new_value : NULL),
        0);
}

/* Pinned values. An empty one is released at once: there is nothing to hold. */

typedef struct {
    uintptr_t words[sizeof(warp_value) / sizeof(uintptr_t)];
} go_value; /* a warp_value */

typedef struct {
    go_value value;
    go_bytes data; /* NULL when len is 0 */
    size_t len;
    char *text;
    warp_status status;
} go_pinned;

static inline void go_warp_drop_if_empty(warp_value *value) {
    if (value->len == 0) {
        warp_value_release(value);
        memset(value, 0, sizeof *value);
    }
}

/* Takes a value that a call answered with. */
static inline go_pinned go_warp_pinned(warp_status status, warp_value value) {
    go_pinned pinned;
    pinned.status = status;
    pinned.text = go_warp_text(status);
    if (status == WARP_OK) go_warp_drop_if_empty(&value);
    memcpy(&pinned.value, &value, sizeof value);
    pinned.data = value.data;
    pinned.len = value.len;
    return pinned;
}

static inline go_pinned go_warp_get_pinned(go_db db, go_bytes key, size_t key_len) {
    warp_value value;
    warp_status status;
    memset(&value, 0, sizeof value);
    status = warp_get_pinned(go_warp_db(db), key, key_len, &value);
    return go_warp_pinned(status, value);
}

static inline go_pinned go_warp_get_pinned_nowait(go_db db, go_bytes key, size_t key_len) {
    warp_value value;
    warp_status status;
    memset(&value, 0, sizeof value);
    status = warp_get_pinned_nowait(go_warp_db(db), key, key_len, &value);
    return go_warp_pinned(status, value);
}

static inline void go_warp_value_release(go_value words) {
    warp_value value;
    memcpy(&value, &words, sizeof value);
    warp_value_release(&value);
}

/* Lists of bytes come as `u32 length | bytes`, repeated, in one buffer. */
static inline void go_warp_unpack(warp_slice *slices, size_t n, go_bytes packed) {
    size_t i;
    for (i = 0; i < n; i++) {
        uint32_t len;
        memcpy(&len, packed, sizeof len);
        slices[i].data = packed + sizeof len;
        slices[i].len = len;
        packed += sizeof len + len;
    }
}

/* Many keys. The values and statuses lie in one block of C memory that go_warp_multi_free takes
 * back. */

typedef struct {
    warp_value *values;
    warp_status *statuses;
    void *block; /* NULL when status is not 0 */
    char *text;
    warp_status status;
} go_many;

static inline go_many go_warp_multi_get(go_db db, size_t n, go_bytes packed) {
    go_many many = {NULL, NULL, NULL, NULL, WARP_OK};
    warp_slice *keys;
    size_t i;
    many.block = calloc(n, sizeof(warp_value) + sizeof(warp_slice) + sizeof(warp_status));
    if (many.block == NULL) {
        many.status = WARP_ERR_OUT_OF_MEMORY;
        many.text = strdup("multi-get: no memory for the answers");
        return many;
    }
    many.values = (warp_value *)many.block;
    keys = (warp_slice *)(many.values + n);
    many.statuses = (warp_status *)(keys + n);
    go_warp_unpack(keys, n, packed);
    many.status = warp_multi_get(go_warp_db(db), n, keys, many.values, many.statuses);
    many.text = go_warp_text(many.status);
    if (many.status != WARP_OK) {
        for (i = 0; i < n; i++) warp_value_release(&many.values[i]);
        free(many.block);
        many.block = NULL;
        return many;
    }
    for (i = 0; i < n; i++) go_warp_drop_if_empty(&many.values[i]);
    return many;
}

static inline void go_warp_multi_free(void *block, size_t n) {
    warp_value *values = (warp_value *)block;
    size_t i;
    for (i = 0; i < n; i++) warp_value_release(&values[i]);
    free(block);
}

/* Batches. */

static inline go_answer go_warp_write_encoded(go_db db, go_bytes bytes, size_t len) {
    return go_warp_answer(warp_write_encoded(go_warp_db(db), bytes, len), 0);
}

/* Durability and upkeep. */

static inline go_answer go_warp_sync(go_db db) {
    return go_warp_answer(warp_sync(go_warp_db(db)), 0);
}

static inline uint64_t go_warp_token(go_db db) { return warp_token(go_warp_db(db)); }

static inline go_answer go_warp_wait_durable(go_db db, uint64_t token, uint32_t timeout_ms) {
    return go_warp_answer(warp_wait_durable(go_warp_db(db), token, timeout_ms), 0);
}

static inline go_answer go_warp_is_durable(go_db db, uint64_t token) {
    return go_warp_answer(warp_is_durable(go_warp_db(db), token), 0);
}

static inline go_answer go_warp_checkpoint(go_db db) {
    return go_warp_answer(warp_checkpoint(go_warp_db(db)), 0);
}

static inline go_answer go_warp_compact(go_db db) {
    return go_warp_answer(warp_compact(go_warp_db(db)), 0);
}

static inline go_answer go_warp_backup(go_db db, const char *dir) {
    return go_warp_answer(warp_backup(go_warp_db(db), dir), 0);
}

/* Iteration. */

typedef struct {
    go_iter iter;
    char *text;
    warp_status status;
} go_made_iter;

static inline go_made_iter go_warp_iter_new(go_db db, go_bytes prefix, size_t prefix_len) {
    go_made_iter made;
    warp_iter *iter = NULL;
    made.status = warp_iter_new(go_warp_db(db), prefix, prefix_len, &iter);
    made.iter = (go_iter)iter;
    made.text = go_warp_text(made.status);
    return made;
}

static inline void go_warp_iter_free(go_iter iter) { warp_iter_free((warp_iter *)iter); }

typedef struct {
    size_t used;
    size_t count;
    char *text;
    warp_status status;
} go_page;

static inline go_page go_warp_iter_next_page(go_iter iter, unsigned char *buf, size_t buf_len) {
    go_page page = {0, 0, NULL, WARP_OK};
    page.status = warp_iter_next_page((warp_iter *)iter, buf, buf_len, &page.used, &page.count);
    page.text = go_warp_text(page.status);
    return page;
}

/* Statistics. */

typedef struct {
    warp_statistics stats;
    char *text;
    warp_status status;
} go_stats;

static inline go_stats go_warp_stats(go_db db) {
    go_stats out;
    memset(&out, 0, sizeof out);
    out.stats.struct_size = sizeof out.stats;
    out.status = warp_stats(go_warp_db(db), &out.stats);
    out.text = go_warp_text(out.status);
    return out;
}

typedef struct {
    char *string; /* for warp_string_free */
    char *text;
    warp_status status;
} go_string;

static inline go_string go_warp_string(warp_status status, char *string) {
    go_string out = {string, go_warp_text(status), status};
    return out;
}

static inline go_string go_warp_stats_json(go_db db) {
    char *string = NULL;
    warp_status status = warp_stats_json(go_warp_db(db), &string);
    return go_warp_string(status, string);
}

/* The load monitor. */

static inline go_string go_warp_events_json(go_db db, uint64_t from) {
    char *string = NULL;
    warp_status status = warp_events_json(go_warp_db(db), from, &string);
    return go_warp_string(status, string);
}

static inline go_string go_warp_stats_openmetrics(go_db db) {
    char *string = NULL;
    warp_status status = warp_stats_openmetrics(go_warp_db(db), &string);
    return go_warp_string(status, string);
}

/* Rules and placement. */

static inline go_answer go_warp_add_rule(go_db db, size_t n, go_bytes packed, uint32_t flags) {
    go_answer answer;
    warp_slice *patterns = (warp_slice *)calloc(n + 1, sizeof(warp_slice));
    if (patterns == NULL) {
        answer.n = 0;
        answer.text = strdup("add rule: no memory for the patterns");
        answer.status = WARP_ERR_OUT_OF_MEMORY;
        return answer;
    }
    go_warp_unpack(patterns, n, packed);
    answer = go_warp_answer(warp_add_rule(go_warp_db(db), n, patterns, flags), 0);
    free(patterns);
    return answer;
}

static inline go_answer go_warp_remove_rule(go_db db, go_bytes pattern, size_t pattern_len) {
    return go_warp_answer(warp_remove_rule(go_warp_db(db), pattern, pattern_len), 0);
}

static inline go_string go_warp_rules_json(go_db db) {
    char *string = NULL;
    warp_status status = warp_rules_json(go_warp_db(db), &string);
    return go_warp_string(status, string);
}

static inline go_answer go_warp_shard_of(go_db db, go_bytes key, size_t key_len) {
    uint32_t shard = 0;
    warp_status status = warp_shard_of(go_warp_db(db), key, key_len, &shard);
    return go_warp_answer(status, shard);
}

static inline go_answer go_warp_shard_cpu(go_db db, uint32_t shard) {
    uint32_t cpu = 0;
    warp_status status = warp_shard_cpu(go_warp_db(db), shard, &cpu);
    return go_warp_answer(status, cpu);
}

static inline go_answer go_warp_rebalance(go_db db) {
    uint64_t moved = 0;
    warp_status status = warp_rebalance(go_warp_db(db), &moved);
    return go_warp_answer(status, (size_t)moved);
}

static inline go_answer go_warp_move_slot(go_db db, uint32_t slot, uint32_t shard) {
    return go_warp_answer(warp_move_slot(go_warp_db(db), slot, shard), 0);
}

/* Links. A key and its partners lie in one block of C memory, and their bytes in what the engine
 * pinned for them; go_warp_linked_free takes both back. */

static inline go_answer go_warp_link(go_db db, go_bytes from, size_t from_len, go_bytes to,
                                     size_t to_len, double strength) {
    return go_warp_answer(warp_link(go_warp_db(db), from, from_len, to, to_len, strength), 0);
}

static inline go_answer go_warp_unlink(go_db db, go_bytes from, size_t from_len, go_bytes to,
                                       size_t to_len) {
    return go_warp_answer(warp_unlink(go_warp_db(db), from, from_len, to, to_len), 0);
}

typedef struct {
    go_bytes key;
    size_t key_len;
    go_bytes value; /* NULL when value_len is 0 */
    size_t value_len;
    double strength;
} go_partner;

typedef struct {
    uintptr_t linked; /* a warp_linked * */
    go_partner *all;  /* NULL unless status is 0 */
    size_t n;
    char *text;
    warp_status status;
} go_linked;

static inline void go_warp_linked_free(uintptr_t linked, go_partner *all) {
    warp_linked_free((warp_linked *)linked);
    free(all);
}

/* Takes what a call answered with. */
static inline go_linked go_warp_linked(warp_status status, warp_linked *linked) {
    go_linked out = {0, NULL, 0, NULL, WARP_OK};
    size_t i;
    out.status = status;
    out.text = go_warp_text(status);
    if (out.status != WARP_OK) return out;
    out.linked = (uintptr_t)linked;
    out.n = warp_linked_count(linked);
    out.all = (go_partner *)calloc(out.n, sizeof(go_partner));
    if (out.all == NULL) {
        warp_linked_free(linked);
        out.status = WARP_ERR_OUT_OF_MEMORY;
        out.text = strdup("linked keys: no memory for the answers");
        return out;
    }
    for (i = 0; i < out.n; i++) {
        go_partner *one = &out.all[i];
        warp_slice key_bytes = {NULL, 0}, value_bytes = {NULL, 0};
        warp_linked_at(linked, i, &key_bytes, &value_bytes, &one->strength);
        one->key = key_bytes.data;
        one->key_len = key_bytes.len;
        one->value = value_bytes.len == 0 ? NULL : value_bytes.data;
        one->value_len = value_bytes.len;
    }
    return out;
}

static inline go_linked go_warp_get_linked(go_db db, go_bytes key, size_t key_len) {
    warp_linked *linked = NULL;
    warp_status status = warp_get_linked(go_warp_db(db), key, key_len, &linked);
    return go_warp_linked(status, linked);
}

static inline go_linked go_warp_partners(go_db db, go_bytes key, size_t key_len) {
    warp_linked *linked = NULL;
    warp_status status = warp_partners(go_warp_db(db), key, key_len, &linked);
    return go_warp_linked(status, linked);
}

/* Macros of the header, as constants that cgo can see whatever they expand to. */

static inline uint32_t go_warp_header_abi(void) { return WARP_ABI_VERSION; }

#endif
