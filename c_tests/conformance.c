/* The conformance suite, run by the C interface.
 *
 *     conformance run FILE.json …     run these files (tests/conformance/README.md has the format)
 *     conformance write DIR           write the data set
 *     conformance read DIR            check it
 *
 * The exit status is 1 if anything differs.
 */
#define _XOPEN_SOURCE 700
#include "dataset.h"
#include "json.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

#define NAMES_MAX 16
#define PATH_LEN_MAX 4096
#define SMALL (64u << 10)

typedef struct memory {
    struct memory *next;
} memory;

typedef struct {
    unsigned char *data;
    size_t len;
} bytes;

typedef struct {
    bytes key;
    bytes value;
} entry;

/* What a file keeps under a name between its steps. */
typedef struct {
    const char *name;
    warp_value pin;
    warp_iter *iter;
    uint64_t token;
    uint64_t revision;
} named;

typedef struct {
    char root[PATH_LEN_MAX]; /* empty: in memory */
    char dir[64];
    const json *options; /* of the last open that succeeded */
    warp_db *db;
    named names[NAMES_MAX];
    memory *step_memory; /* freed after each step */
    int wrong;           /* a step differs; the message has been printed */
    const char *file;
    size_t step;
} runner;

/* Says what differs, once for each file. */
static void differ(runner *r, const char *format, ...) {
    va_list arguments;
    if (r->wrong) return;
    r->wrong = 1;
    printf("%s: step %zu: ", r->file, r->step);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* Memory until the end of the step. */
static void *step_alloc(runner *r, size_t size) {
    memory *block = (memory *)malloc(sizeof(memory) + size + 1);
    if (block == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    block->next = r->step_memory;
    r->step_memory = block;
    return block + 1;
}

static void step_free(runner *r) {
    while (r->step_memory != NULL) {
        memory *next = r->step_memory->next;
        free(r->step_memory);
        r->step_memory = next;
    }
}

/* ---- Fields of a step ---- */

static const char *text_of(runner *r, const json *step, const char *field) {
    const json *node = json_get(step, field);
    if (node == NULL || node->kind != JSON_STRING) {
        differ(r, "%s is no text", field);
        return "";
    }
    return node->text;
}

static int is_op(const json *step, const char *op) {
    const json *node = json_get(step, "op");
    return node != NULL && node->kind == JSON_STRING && strcmp(node->text, op) == 0;
}

static uint64_t number_of(runner *r, const json *step, const char *field) {
    const json *node = json_get(step, field);
    if (node == NULL || node->kind != JSON_NUMBER || node->number < 0) {
        differ(r, "%s is no number", field);
        return 0;
    }
    return (uint64_t)node->number;
}

static unsigned digit_of(runner *r, char c) {
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f') return (unsigned)(c - 'a' + 10);
    differ(r, "'%c' is no hexadecimal digit", c);
    return 0;
}

static bytes unhex(runner *r, const json *node) {
    bytes out = {NULL, 0};
    size_t n;
    if (node == NULL || node->kind != JSON_STRING || node->len % 2 != 0) {
        differ(r, "hexadecimal digits are missing");
        return out;
    }
    out.len = node->len / 2;
    out.data = (unsigned char *)step_alloc(r, out.len);
    for (n = 0; n < out.len; n++) {
        unsigned high = digit_of(r, node->text[2 * n]), low = digit_of(r, node->text[2 * n + 1]);
        out.data[n] = (unsigned char)(high << 4 | low);
    }
    return out;
}

/* The bytes of one form. */
static bytes decode(runner *r, const json *node) {
    bytes out = {NULL, 0};
    const json *body, *part;
    if (node != NULL && node->kind == JSON_STRING) {
        out.len = node->len;
        out.data = (unsigned char *)step_alloc(r, out.len);
        memcpy(out.data, node->text, out.len);
    } else if ((body = json_get(node, "hex")) != NULL) {
        out = unhex(r, body);
    } else if ((body = json_get(node, "repeat")) != NULL && json_count(body) == 2) {
        bytes unit = unhex(r, body->child);
        size_t count = (size_t)body->child->next->number, n;
        out.len = unit.len * count;
        out.data = (unsigned char *)step_alloc(r, out.len);
        for (n = 0; n < out.len; n++) out.data[n] = unit.data[n % unit.len];
    } else if ((body = json_get(node, "concat")) != NULL) {
        for (part = body->child; part != NULL; part = part->next) {
            bytes more = decode(r, part);
            unsigned char *joined = (unsigned char *)step_alloc(r, out.len + more.len);
            if (out.len > 0) memcpy(joined, out.data, out.len);
            if (more.len > 0) memcpy(joined + out.len, more.data, more.len);
            out.data = joined;
            out.len += more.len;
        }
    } else {
        differ(r, "a form of bytes is not known");
    }
    return out;
}

static bytes bytes_of(runner *r, const json *step, const char *field) {
    bytes none = {NULL, 0};
    const json *node = json_get(step, field);
    if (node == NULL) {
        differ(r, "the field %s is missing", field);
        return none;
    }
    return decode(r, node);
}

/* ---- Comparing ---- */

static void compare_number(runner *r, const char *what, uint64_t got, uint64_t wanted) {
    if (got != wanted) {
        differ(r, "%s: answered %" PRIu64 ", the file says %" PRIu64, what, got, wanted);
    }
}

static void compare_bytes(runner *r, const json *step, const void *data, size_t len) {
    bytes wanted = bytes_of(r, step, "value");
    if (len != wanted.len || (len > 0 && memcmp(data, wanted.data, len) != 0)) {
        differ(r, "value: the answer of %zu bytes differs from the %zu bytes of the file", len,
               wanted.len);
    }
}

/* Whether the status is the one, or one of those, that the step expects. */
static void compare_status(runner *r, const json *step, warp_status status) {
    const json *expect = json_get(step, "expect");
    const char *got = warp_status_name(status);
    const json *one = expect;
    if (expect == NULL) {
        if (status > 0) differ(r, "answered %s", got);
        if (status < 0) differ(r, "answered %s (%s)", got, warp_last_error());
        return;
    }
    if (expect->kind == JSON_LIST) one = expect->child;
    for (; one != NULL; one = expect->kind == JSON_LIST ? one->next : NULL) {
        if (one->kind == JSON_STRING && strcmp(one->text, got) == 0) return;
    }
    differ(r, "answered %s, the file expects %s", got,
           expect->kind == JSON_STRING ? expect->text : "others");
}

static int by_key(const void *a, const void *b) {
    const bytes *x = &((const entry *)a)->key, *y = &((const entry *)b)->key;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = n == 0 ? 0 : memcmp(x->data, y->data, n);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static int same(const bytes *a, const bytes *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Sorted, both lists of entries are the same: so none is missing, none came twice. */
static void compare_entries(runner *r, const json *step, entry *got, size_t count) {
    const json *list = json_get(step, "entries"), *pair;
    size_t n = 0, wanted_count = json_count(list);
    entry *wanted = (entry *)step_alloc(r, wanted_count * sizeof(entry));
    for (pair = list == NULL ? NULL : list->child; pair != NULL; pair = pair->next, n++) {
        if (json_count(pair) != 2) {
            differ(r, "entry %zu is no pair", n);
            return;
        }
        wanted[n].key = decode(r, pair->child);
        wanted[n].value = decode(r, pair->child->next);
    }
    compare_number(r, "number of entries", count, wanted_count);
    if (r->wrong) return;
    if (count > 0) {
        qsort(got, count, sizeof(entry), by_key);
        qsort(wanted, count, sizeof(entry), by_key);
    }
    for (n = 0; n < count; n++) {
        if (!same(&got[n].key, &wanted[n].key) || !same(&got[n].value, &wanted[n].value)) {
            differ(r, "entry %zu in the order of the keys differs", n);
            return;
        }
    }
}

/* ---- Names ---- */

static named *find_name(runner *r, const json *step, const char *field, int make) {
    const char *name = text_of(r, step, field);
    size_t n;
    for (n = 0; n < NAMES_MAX; n++) {
        named *place = &r->names[n];
        if (place->name != NULL && strcmp(place->name, name) == 0) return place;
    }
    for (n = 0; make && n < NAMES_MAX; n++) {
        if (r->names[n].name == NULL) {
            r->names[n].name = name;
            return &r->names[n];
        }
    }
    differ(r, "the name %s is not known, or there are too many", name);
    return &r->names[0];
}

static void forget(named *place) {
    warp_value_release(&place->pin);
    warp_iter_free(place->iter);
    memset(place, 0, sizeof *place);
}

/* ---- Operations ---- */

static warp_status open_with(runner *r, const char *dir, const json *settings, warp_db **db) {
    char path[PATH_LEN_MAX + 80];
    warp_options *options = warp_options_new();
    warp_status status = WARP_OK;
    const json *one = settings == NULL ? NULL : settings->child;
    for (; one != NULL && status == WARP_OK; one = one->next) {
        status = warp_options_set(options, one->name, one->text == NULL ? "" : one->text);
    }
    snprintf(path, sizeof path, "%s/%s", r->root, dir);
    if (status == WARP_OK) status = warp_open(r->root[0] == '\0' ? NULL : path, options, db);
    warp_options_free(options);
    return status;
}

static warp_status run_open(runner *r, const json *step) {
    const json *options = json_get(step, "options");
    const char *dir = json_get(step, "dir") == NULL ? "db" : text_of(r, step, "dir");
    warp_db *db = NULL;
    warp_status status;
    if (is_op(step, "close") || is_op(step, "reopen")) {
        status = warp_close(r->db);
        r->db = NULL;
        if (is_op(step, "close") || status != WARP_OK) return status;
        dir = r->dir;
        if (options == NULL) options = r->options;
    }
    status = open_with(r, dir, options, &db);
    if (is_op(step, "open_second")) {
        warp_close(db);
        return status;
    }
    if (r->db != NULL) {
        warp_close(db);
        differ(r, "a database is open already");
    } else if (status == WARP_OK) {
        r->db = db;
        r->options = options;
        if (dir != r->dir) snprintf(r->dir, sizeof r->dir, "%s", dir);
    }
    return status;
}

static warp_status run_get(runner *r, const json *step, bytes key) {
    size_t len = 0, room = SMALL;
    unsigned char *buffer = (unsigned char *)step_alloc(r, room);
    warp_status status = warp_get(r->db, key.data, key.len, buffer, room, &len);
    if (status == WARP_BUFFER_TOO_SMALL) {
        room = len;
        buffer = (unsigned char *)step_alloc(r, room);
        status = warp_get(r->db, key.data, key.len, buffer, room, &len);
    }
    if (status == WARP_OK) compare_bytes(r, step, buffer, len);
    return status;
}

static warp_status run_get_into(runner *r, const json *step, bytes key) {
    size_t room = (size_t)number_of(r, step, "capacity"), len = 12345, untouched, n;
    unsigned char *buffer = (unsigned char *)step_alloc(r, room);
    warp_status status;
    memset(buffer, 0xEE, room + 1);
    status = (is_op(step, "get_into") ? warp_get : warp_get_nowait)(
        r->db, key.data, key.len, room == 0 ? NULL : buffer, room, &len);
    untouched = status == WARP_OK ? len : 0;
    for (n = untouched; n <= room; n++) {
        if (buffer[n] != 0xEE) differ(r, "byte %zu of the buffer was written", n);
    }
    if (status == WARP_OK || status == WARP_BUFFER_TOO_SMALL) {
        compare_number(r, "length", len, number_of(r, step, "length"));
    }
    if (status == WARP_OK) compare_bytes(r, step, buffer, len);
    return status;
}

static warp_status run_read(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key");
    warp_value value = {0};
    warp_status status;
    if (is_op(step, "get")) return run_get(r, step, key);
    if (is_op(step, "get_into") || is_op(step, "get_nowait")) return run_get_into(r, step, key);
    status = warp_get_pinned(r->db, key.data, key.len, &value);
    if (status == WARP_OK) compare_bytes(r, step, value.data, value.len);
    if (is_op(step, "pin") && status == WARP_OK) {
        find_name(r, step, "as", 1)->pin = value;
    } else {
        warp_value_release(&value);
    }
    return status;
}

/* The revision is kept beside what else a name stands for: a file gives a name one meaning. */
static warp_status run_changed(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key");
    size_t room = (size_t)number_of(r, step, "capacity"), len = 12345, n;
    unsigned char *buffer = (unsigned char *)step_alloc(r, room);
    const int has_known = json_get(step, "known") != NULL;
    const uint64_t known = has_known ? find_name(r, step, "known", 0)->revision : 0;
    uint64_t revision = 12345;
    warp_status status;
    memset(buffer, 0xEE, room + 1);
    status = (is_op(step, "get_if_changed") ? warp_get_if_changed : warp_get_if_changed_nowait)(
        r->db, key.data, key.len, known, room == 0 ? NULL : buffer, room, &len, &revision);
    for (n = status == WARP_OK ? len : 0; n <= room; n++) {
        if (buffer[n] != 0xEE) differ(r, "byte %zu of the buffer was written", n);
    }
    if (status == WARP_OK || status == WARP_BUFFER_TOO_SMALL) {
        compare_number(r, "length", len, number_of(r, step, "length"));
        if (revision == 0 || revision == known) differ(r, "the revision is not a new one");
        if (json_get(step, "as") != NULL) find_name(r, step, "as", 1)->revision = revision;
    } else if (status >= 0) {
        compare_number(r, "length of no value", len, 0);
        compare_number(r, "revision", revision, status == WARP_UNCHANGED ? known : 0);
    }
    if (status == WARP_OK) compare_bytes(r, step, buffer, len);
    return status;
}

static warp_status run_pinned(runner *r, const json *step) {
    named *place = find_name(r, step, "as", 0);
    if (is_op(step, "release")) {
        forget(place);
    } else {
        compare_bytes(r, step, place->pin.data, place->pin.len);
    }
    return WARP_OK;
}

static warp_status run_write(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key"), value;
    if (is_op(step, "exists")) return warp_exists(r->db, key.data, key.len);
    if (is_op(step, "delete")) return warp_delete(r->db, key.data, key.len);
    value = bytes_of(r, step, "value");
    return warp_put(r->db, key.data, key.len, value.data, value.len);
}

static const warp_slice *optional_slice(runner *r, const json *node, warp_slice *slice) {
    bytes decoded;
    if (node == NULL || node->kind == JSON_NULL) return NULL;
    decoded = decode(r, node);
    slice->data = decoded.data;
    slice->len = decoded.len;
    return slice;
}

static warp_status run_cas(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key");
    warp_slice expected, desired;
    return warp_compare_and_swap(r->db, key.data, key.len,
                                 optional_slice(r, json_get(step, "expected"), &expected),
                                 optional_slice(r, json_get(step, "desired"), &desired));
}

static warp_status run_multi_get(runner *r, const json *step) {
    const json *list = json_get(step, "keys"), *answers = json_get(step, "answers"), *one;
    size_t count = json_count(list), n = 0;
    warp_slice *keys = (warp_slice *)step_alloc(r, count * sizeof *keys);
    warp_value *values = (warp_value *)step_alloc(r, count * sizeof *values);
    warp_status *statuses = (warp_status *)step_alloc(r, count * sizeof *statuses);
    warp_status status;
    for (one = list == NULL ? NULL : list->child; one != NULL; one = one->next, n++) {
        optional_slice(r, one, &keys[n]);
    }
    compare_number(r, "number of answers", count, json_count(answers));
    status = warp_multi_get(r->db, count, keys, values, statuses);
    if (status != WARP_OK || r->wrong) return status;
    for (n = 0, one = answers->child; n < count; one = one->next, n++) {
        compare_status(r, one, statuses[n]);
        if (statuses[n] == WARP_OK) {
            compare_bytes(r, one, values[n].data, values[n].len);
        } else if (values[n].data != NULL || values[n].len != 0) {
            differ(r, "key %zu has a value beside its status", n);
        }
        warp_value_release(&values[n]);
    }
    return status;
}

static warp_status run_batch(runner *r, const json *step) {
    const json *ops = json_get(step, "ops"), *op;
    warp_batch *batch = warp_batch_new();
    warp_status status;
    for (op = ops == NULL ? NULL : ops->child; op != NULL; op = op->next) {
        bytes key = bytes_of(r, op, "key"), value;
        if (is_op(op, "put")) {
            value = bytes_of(r, op, "value");
            status = warp_batch_put(batch, key.data, key.len, value.data, value.len);
        } else {
            status = warp_batch_delete(batch, key.data, key.len);
        }
        compare_status(r, op, status);
    }
    if (json_get(step, "count") != NULL) {
        compare_number(r, "count", warp_batch_count(batch), number_of(r, step, "count"));
    }
    status = warp_write(r->db, batch);
    warp_batch_free(batch);
    return status;
}

/* ---- Iteration ---- */

typedef struct {
    entry *list;
    size_t count;
    size_t room;
} entries;

static void add_entry(runner *r, entries *all, const void *key, size_t key_len, const void *value,
                      size_t value_len) {
    entry one;
    if (all->count == all->room) {
        entry *larger;
        all->room = all->room * 2 + 16;
        larger = (entry *)step_alloc(r, all->room * sizeof(entry));
        if (all->count > 0) memcpy(larger, all->list, all->count * sizeof(entry));
        all->list = larger;
    }
    one.key.data = (unsigned char *)step_alloc(r, key_len);
    one.key.len = key_len;
    one.value.data = (unsigned char *)step_alloc(r, value_len);
    one.value.len = value_len;
    if (key_len > 0) memcpy(one.key.data, key, key_len);
    if (value_len > 0) memcpy(one.value.data, value, value_len);
    all->list[all->count++] = one;
}

static size_t word_at(const unsigned char *at) {
    return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

static warp_status take_page(runner *r, warp_iter *iter, size_t room, entries *all) {
    unsigned char *page = (unsigned char *)step_alloc(r, room);
    size_t used = 1, count = 1, at = 0, n;
    warp_status status = warp_iter_next_page(iter, room == 0 ? NULL : page, room, &used, &count);
    if (status == WARP_OK && (used > room || count == 0)) differ(r, "the page's sizes are wrong");
    if (status == WARP_NOT_FOUND && (used != 0 || count != 0)) differ(r, "the end has entries");
    if (status == WARP_BUFFER_TOO_SMALL && (used <= room || count != 0)) {
        differ(r, "the needed size is wrong");
    }
    for (n = 0; status == WARP_OK && n < count && !r->wrong; n++) {
        size_t key_len = word_at(page + at), value_len = word_at(page + at + 4);
        add_entry(r, all, page + at + 8, key_len, page + at + 8 + key_len, value_len);
        at += 8 + key_len + value_len;
    }
    if (status == WARP_OK) compare_number(r, "bytes of the page", at, used);
    return status;
}

static warp_status take_entry(runner *r, warp_iter *iter, entries *all) {
    warp_slice key, value;
    warp_status status = warp_iter_next(iter, &key, &value);
    if (status == WARP_OK) add_entry(r, all, key.data, key.len, value.data, value.len);
    return status;
}

static warp_status run_iterate(runner *r, const json *step) {
    entries all = {NULL, 0, 0};
    warp_iter *iter = NULL;
    named *place = NULL;
    bytes prefix = {NULL, 0};
    warp_status status = WARP_OK;
    size_t room = is_op(step, "pages") ? (size_t)number_of(r, step, "buffer") : 0;
    if (is_op(step, "iter_rest")) {
        place = find_name(r, step, "as", 0);
        iter = place->iter;
    } else {
        prefix = bytes_of(r, step, "prefix");
        status = warp_iter_new(r->db, prefix.data, prefix.len, &iter);
    }
    if (is_op(step, "iter_open")) {
        find_name(r, step, "as", 1)->iter = iter;
        return status;
    }
    while (status == WARP_OK && !r->wrong) {
        status = is_op(step, "pages") ? take_page(r, iter, room, &all) : take_entry(r, iter, &all);
    }
    if (place != NULL) {
        forget(place);
    } else {
        warp_iter_free(iter);
    }
    if (status != WARP_NOT_FOUND) return status;
    compare_entries(r, step, all.list, all.count);
    return WARP_OK;
}

/* ---- The rest ---- */

static warp_status run_token(runner *r, const json *step) {
    named *place;
    if (is_op(step, "token")) {
        place = find_name(r, step, "as", 1);
        place->token = warp_token(r->db);
        return place->token == 0 ? WARP_ERR_INVALID_ARGUMENT : WARP_OK;
    }
    place = find_name(r, step, "token", 0);
    if (is_op(step, "is_durable")) return warp_is_durable(r->db, place->token);
    return warp_wait_durable(r->db, place->token, (uint32_t)number_of(r, step, "timeout_ms"));
}

static const uint64_t *stat_of(const warp_statistics *stats, const char *name) {
#define STAT(field) {#field, &stats->field}
    const struct {
        const char *name;
        const uint64_t *value;
    } known[] = {STAT(keys),           STAT(puts),        STAT(gets),
                 STAT(hits),           STAT(deletes),     STAT(shards),
                 STAT(log_bytes),      STAT(live_bytes),  STAT(index_bytes),
                 STAT(cache_bytes),    STAT(checkpoints), STAT(recovered_records),
                 STAT(resident_bytes), STAT(open_micros), STAT(disk_bytes),
                 STAT(syncs)};
#undef STAT
    size_t n;
    for (n = 0; n < sizeof known / sizeof known[0]; n++) {
        if (strcmp(known[n].name, name) == 0) return known[n].value;
    }
    return NULL;
}

static warp_status run_stats(runner *r, const json *step) {
    warp_statistics stats;
    warp_status status;
    int exact;
    memset(&stats, 0, sizeof stats);
    stats.struct_size = sizeof stats;
    status = warp_stats(r->db, &stats);
    for (exact = 0; status == WARP_OK && exact < 2; exact++) {
        const json *fields = json_get(step, exact ? "fields" : "at_least"), *one;
        for (one = fields == NULL ? NULL : fields->child; one != NULL; one = one->next) {
            const uint64_t *got = stat_of(&stats, one->name);
            if (got == NULL) {
                differ(r, "no statistic is named %s", one->name);
            } else if (exact || *got < (uint64_t)one->number) {
                compare_number(r, one->name, *got, (uint64_t)one->number);
            }
        }
    }
    return status;
}

static warp_status run_stats_json(runner *r) {
    char *text = NULL;
    size_t stopped = 0;
    warp_status status = warp_stats_json(r->db, &text);
    if (status == WARP_OK) {
        json *parsed = json_parse(text, strlen(text), &stopped);
        if (parsed == NULL || parsed->kind != JSON_OBJECT) {
            differ(r, "the statistics are no JSON object, from byte %zu", stopped);
        }
        json_free(parsed);
    }
    warp_string_free(text);
    return status;
}

static warp_status run_status(runner *r, const json *step) {
    const json *code = json_get(step, "code");
    const char *name = text_of(r, step, "name");
    const char *got = warp_status_name(code == NULL ? 99 : (warp_status)code->number);
    if (strcmp(name, got) != 0) differ(r, "the code's name is %s", got);
    return WARP_OK;
}

static warp_status run_other(runner *r, const json *step) {
    char path[PATH_LEN_MAX + 80];
    bytes packed;
    warp_options *options;
    warp_status status;
    if (is_op(step, "sync")) return warp_sync(r->db);
    if (is_op(step, "checkpoint")) return warp_checkpoint(r->db);
    if (is_op(step, "compact")) return warp_compact(r->db);
    if (is_op(step, "stats")) return run_stats(r, step);
    if (is_op(step, "stats_json")) return run_stats_json(r);
    if (is_op(step, "status")) return run_status(r, step);
    if (is_op(step, "backup")) {
        snprintf(path, sizeof path, "%s/%s", r->root, text_of(r, step, "dir"));
        return warp_backup(r->db, path);
    }
    if (is_op(step, "write_encoded")) {
        packed = bytes_of(r, step, "bytes");
        return warp_write_encoded(r->db, packed.data, packed.len);
    }
    if (is_op(step, "option")) {
        options = warp_options_new();
        status =
            warp_options_set(options, text_of(r, step, "name"), text_of(r, step, "value"));
        warp_options_free(options);
        return status;
    }
    differ(r, "the operation %s is not known", text_of(r, step, "op"));
    return WARP_OK;
}

#include "conformance_features.h"

static const struct {
    const char *op;
    warp_status (*run)(runner *, const json *);
} operations[] = {
    {"open", run_open},           {"close", run_open},         {"reopen", run_open},
    {"open_second", run_open},    {"put", run_write},          {"exists", run_write},
    {"delete", run_write},        {"cas", run_cas},            {"get", run_read},
    {"get_pinned", run_read},     {"get_into", run_read},      {"get_nowait", run_read},
    {"get_if_changed", run_changed}, {"get_if_changed_nowait", run_changed},
    {"pin", run_read},            {"pinned", run_pinned},      {"release", run_pinned},
    {"multi_get", run_multi_get}, {"batch", run_batch},        {"iterate", run_iterate},
    {"pages", run_iterate},       {"iter_open", run_iterate},  {"iter_rest", run_iterate},
    {"token", run_token},         {"wait_durable", run_token}, {"is_durable", run_token},
    {"put_hinted", run_hint},     {"exists_nowait", run_nowait},
    {"get_pinned_nowait", run_nowait},
    {"add_rule", run_rule},       {"remove_rule", run_rule},   {"rules", run_rules},
    {"same_shard", run_shard},    {"shard_of", run_shard},     {"shard_cpu", run_shard},
    {"move_slots", run_move},     {"rebalance", run_move},     {"link", run_link},
    {"unlink", run_link},         {"get_linked", run_get_linked},
    {"partners", run_partners},
    {"events", run_events},       {"openmetrics", run_metrics},
};

static void run_step(runner *r, const json *step) {
    warp_status (*run)(runner *, const json *) = run_other;
    size_t n;
    for (n = 0; n < sizeof operations / sizeof operations[0]; n++) {
        if (is_op(step, operations[n].op)) run = operations[n].run;
    }
    compare_status(r, step, run(r, step));
    step_free(r);
}

/* ---- Files ---- */

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f) {
    (void)s;
    (void)kind;
    (void)f;
    return remove(path);
}

static void make_root(runner *r) {
    const char *parent = getenv("TMPDIR");
    snprintf(r->root, sizeof r->root, "%s/warp-conformance-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(r->root) == NULL) {
        perror(r->root);
        exit(2);
    }
}

/* 1 if the file differs. */
static int run_document(const char *file, const json *document) {
    runner r;
    const json *steps = json_get(document, "steps"), *step;
    const json *options = json_get(document, "open");
    warp_status status;
    size_t n;
    memset(&r, 0, sizeof r);
    r.file = file;
    if (strcmp(text_of(&r, document, "store"), "memory") != 0) make_root(&r);
    snprintf(r.dir, sizeof r.dir, "db");
    if (options != NULL) {
        status = open_with(&r, r.dir, options, &r.db);
        r.options = options;
        if (status != WARP_OK) differ(&r, "open: %s", warp_last_error());
    }
    for (step = steps == NULL ? NULL : steps->child; step != NULL && !r.wrong; step = step->next) {
        run_step(&r, step);
        r.step++;
    }
    for (n = 0; n < NAMES_MAX; n++) forget(&r.names[n]);
    warp_close(r.db);
    if (r.root[0] != '\0') nftw(r.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (!r.wrong) printf("%s: %zu steps\n", file, r.step);
    return r.wrong;
}

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    char *text = NULL;
    long len = -1;
    size_t stopped = 0;
    json *document = NULL;
    int wrong = 1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) len = ftell(file);
    if (len >= 0) text = (char *)malloc((size_t)len + 1);
    if (text != NULL && fseek(file, 0, SEEK_SET) == 0 &&
        fread(text, 1, (size_t)len, file) == (size_t)len) {
        document = json_parse(text, (size_t)len, &stopped);
    }
    if (document == NULL) {
        printf("%s: cannot be read, from byte %zu\n", path, stopped);
    } else {
        wrong = run_document(name, document);
    }
    json_free(document);
    free(text);
    if (file != NULL) fclose(file);
    return wrong;
}

int main(int argc, char **argv) {
    int wrong = 0, n;
    if (argc == 3 && strcmp(argv[1], "write") == 0) return dataset_write(argv[2]);
    if (argc == 3 && strcmp(argv[1], "read") == 0) return dataset_read(argv[2]);
    if (argc < 3 || strcmp(argv[1], "run") != 0) {
        fprintf(stderr, "usage: conformance run FILE.json... | write DIR | read DIR\n");
        return 2;
    }
    for (n = 2; n < argc; n++) wrong += run_file(argv[n]);
    printf("%d files, %d differ\n", argc - 2, wrong);
    return wrong == 0 ? 0 : 1;
}
