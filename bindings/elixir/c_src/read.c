/*
 * get, get_unless, exists, multi_get.
 *
 * Each asks first without waiting, on the caller's own scheduler. When the engine answers that it
 * would have to wait for the disk, or when there is so much to copy that the scheduler would be
 * held, the same function goes on on a dirty I/O scheduler, from the start.
 */
#include "nif.h"
#include <string.h>

/* Values up to this size are read into the stack and copied from there, with one look-up. For a
 * larger one the first look-up tells the size and a second one copies: cheaper than its bytes
 * twice. */
#define STACK_MAX 4096

struct call {
    struct db *db;
    ErlNifBinary key;
    bool pin;
};

static bool parse(ErlNifEnv *env, const ERL_NIF_TERM argv[], struct call *call) {
    return arg_db(env, argv[0], &call->db) && enif_inspect_binary(env, argv[1], &call->key);
}

static ERL_NIF_TERM found(ErlNifEnv *env, ERL_NIF_TERM value) {
    return enif_make_tuple2(env, atoms.ok_, value);
}

/* Large copies are charged as if their memory were fresh, which costs ten times the copying. */
static size_t copy_ns(size_t len) { return 150 + (len < PIN_MIN ? len / 8 : len / 2); }

/* ---- get ---- */

static NIF(get_waiting) {
    (void)argc;
    struct call call;
    if (!parse(env, argv, &call)) return enif_make_badarg(env);
    bool pin = argv[2] == atoms.true_;
    warp_db *db = db_enter(call.db);
    if (!db) return fail_closed(env);
    warp_value value = {0};
    ERL_NIF_TERM answer;
    warp_status status = warp_get_pinned(db, call.key.data, call.key.size, &value);
    if (status == WARP_OK) {
        bool made = value_term(env, &value, pin, &answer);
        answer = made ? found(env, answer) : fail_memory(env);
    } else if (status == WARP_NOT_FOUND) {
        answer = atoms.not_found_;
    } else {
        answer = fail(env, status);
    }
    db_leave(call.db);
    return answer;
}

/* Reads a value of about `len` bytes, more than the stack took. The value may change between the
 * look-ups: a shorter one fits, and a longer one goes round again. */
static warp_status get_long(ErlNifEnv *env, warp_db *db, const ErlNifBinary *key, size_t max,
                            size_t *len, ERL_NIF_TERM *value) {
    warp_status status = WARP_BUFFER_TOO_SMALL;
    while (status == WARP_BUFFER_TOO_SMALL && *len <= max) {
        size_t room = *len;
        unsigned char *bytes = enif_make_new_binary(env, room, value);
        if (!bytes) return WARP_ERR_OUT_OF_MEMORY;
        status = warp_get_nowait(db, key->data, key->size, bytes, room, len);
        if (status == WARP_OK && *len < room) *value = enif_make_sub_binary(env, *value, 0, *len);
    }
    return status;
}

/* A large value without a copy. Charged as a small one, whatever its length. */
static warp_status get_large(ErlNifEnv *env, warp_db *db, const ErlNifBinary *key, size_t *len,
                             ERL_NIF_TERM *value) {
    warp_value pinned = {0};
    *len = PIN_AS_BYTES;
    warp_status status = warp_get_pinned_nowait(db, key->data, key->size, &pinned);
    if (status == WARP_OK && !pinned_term(env, &pinned, value)) status = WARP_ERR_OUT_OF_MEMORY;
    return status;
}

/* The value without waiting: a copy, or pinned if `pin` and it is large. WARP_BUFFER_TOO_SMALL: the
 * copy would be longer than `max`. */
static warp_status get_now(ErlNifEnv *env, warp_db *db, const ErlNifBinary *key, size_t max,
                           bool pin, size_t *len, ERL_NIF_TERM *value) {
    unsigned char stack[STACK_MAX];
    warp_status status = warp_get_nowait(db, key->data, key->size, stack, sizeof stack, len);
    if (status == WARP_BUFFER_TOO_SMALL && pin && *len >= PIN_MIN) {
        return get_large(env, db, key, len, value);
    }
    if (status == WARP_BUFFER_TOO_SMALL) return get_long(env, db, key, max, len, value);
    if (status != WARP_OK) return status;
    unsigned char *bytes = enif_make_new_binary(env, *len, value);
    if (!bytes) return WARP_ERR_OUT_OF_MEMORY;
    if (*len > 0) memcpy(bytes, stack, *len);
    return WARP_OK;
}

NIF(nif_get) {
    struct call call;
    if (!parse(env, argv, &call)) return enif_make_badarg(env);
    bool pin = argv[2] == atoms.true_;
    warp_db *db = db_enter(call.db);
    if (!db) return fail_closed(env);
    size_t len = 0;
    ERL_NIF_TERM answer;
    warp_status status = get_now(env, db, &call.key, GET_INLINE_MAX, pin, &len, &answer);
    switch (status) {
    case WARP_OK: answer = found(env, answer); break;
    case WARP_NOT_FOUND: answer = atoms.not_found_; break;
    case WARP_BUFFER_TOO_SMALL:
    case WARP_WOULD_BLOCK:
        answer = enif_schedule_nif(env, "get", ERL_NIF_DIRTY_JOB_IO_BOUND, get_waiting, argc, argv);
        break;
    default: answer = fail(env, status);
    }
    db_leave(call.db);
    if (status == WARP_OK) charge(env, copy_ns(len));
    return answer;
}

/* ---- get_unless ---- */

/* Whether the value of the key is `known`, byte for byte, as far as can be told without waiting. A
 * value of another length is not copied. */
static bool is_known(warp_db *db, const ErlNifBinary *key, const ErlNifBinary *known) {
    unsigned char stack[STACK_MAX];
    if (known->size > GET_INLINE_MAX) return false;
    unsigned char *room = known->size <= sizeof stack ? stack : enif_alloc(known->size);
    if (!room) return false;
    size_t len;
    warp_status status = warp_get_nowait(db, key->data, key->size, room, known->size, &len);
    bool same = status == WARP_OK && len == known->size && memcmp(room, known->data, len) == 0;
    if (room != stack) enif_free(room);
    return same;
}

NIF(nif_get_unless) {
    (void)argc;
    struct call call;
    ErlNifBinary known;
    if (!parse(env, argv, &call) || !enif_inspect_binary(env, argv[2], &known)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(call.db);
    if (!db) return fail_closed(env);
    bool same = is_known(db, &call.key, &known);
    db_leave(call.db);
    if (same) {
        charge(env, copy_ns(known.size));
        return atoms.unchanged_;
    }
    const ERL_NIF_TERM get[] = {argv[0], argv[1], atoms.false_};
    return nif_get(env, 3, get);
}

/* ---- exists ---- */

static NIF(exists_waiting) {
    (void)argc;
    struct call call;
    if (!parse(env, argv, &call)) return enif_make_badarg(env);
    warp_db *db = db_enter(call.db);
    if (!db) return fail_closed(env);
    warp_status status = warp_exists(db, call.key.data, call.key.size);
    ERL_NIF_TERM answer = status == WARP_OK          ? atoms.true_
                          : status == WARP_NOT_FOUND ? atoms.false_
                                                     : fail(env, status);
    db_leave(call.db);
    return answer;
}

NIF(nif_exists) {
    struct call call;
    if (!parse(env, argv, &call)) return enif_make_badarg(env);
    warp_db *db = db_enter(call.db);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer;
    warp_status status = warp_exists_nowait(db, call.key.data, call.key.size);
    switch (status) {
    case WARP_OK: answer = atoms.true_; break;
    case WARP_NOT_FOUND: answer = atoms.false_; break;
    case WARP_WOULD_BLOCK:
        answer = enif_schedule_nif(env, "exists", ERL_NIF_DIRTY_JOB_IO_BOUND, exists_waiting, argc,
                                   argv);
        break;
    default: answer = fail(env, status);
    }
    db_leave(call.db);
    return answer;
}

/* ---- multi_get ---- */

/* Keys asked for at once by one engine call: what the overlapped loads of one call can use. */
#define MULTI_CHUNK 256

/* Asks for up to MULTI_CHUNK keys of `*list` and appends the values to `terms`. */
static warp_status multi_chunk(ErlNifEnv *env, warp_db *db, ERL_NIF_TERM *list, bool pin,
                               ERL_NIF_TERM *terms, unsigned *count) {
    warp_slice keys[MULTI_CHUNK];
    warp_value values[MULTI_CHUNK];
    warp_status statuses[MULTI_CHUNK];
    ERL_NIF_TERM head;
    ErlNifBinary key;
    unsigned n = 0;
    while (n < MULTI_CHUNK && enif_get_list_cell(env, *list, &head, list)) {
        enif_inspect_binary(env, head, &key);
        keys[n++] = (warp_slice){.data = key.data, .len = key.size};
    }
    memset(values, 0, n * sizeof *values);
    warp_status status = warp_multi_get(db, n, keys, values, statuses);
    for (unsigned i = 0; i < n && status == WARP_OK; i++) {
        if (statuses[i] == WARP_NOT_FOUND) {
            terms[i] = atoms.nil_;
        } else if (statuses[i] != WARP_OK) {
            status = statuses[i];
        } else if (!value_term(env, &values[i], pin, &terms[i])) {
            status = WARP_ERR_OUT_OF_MEMORY;
        }
    }
    /* What was not handed out; releasing what was does nothing. */
    for (unsigned i = 0; i < n && status != WARP_OK; i++) warp_value_release(&values[i]);
    *count = n;
    return status;
}

static ERL_NIF_TERM multi_list(ErlNifEnv *env, warp_db *db, ERL_NIF_TERM list, unsigned length,
                               bool pin) {
    ERL_NIF_TERM *terms = enif_alloc((length + 1) * sizeof *terms);
    if (!terms) return fail_memory(env);
    warp_status status = WARP_OK;
    for (unsigned done = 0, n; done < length && status == WARP_OK; done += n) {
        status = multi_chunk(env, db, &list, pin, terms + done, &n);
    }
    ERL_NIF_TERM answer = status == WARP_OK
                              ? found(env, enif_make_list_from_array(env, terms, length))
                              : fail(env, status);
    enif_free(terms);
    return answer;
}

static bool all_binaries(ErlNifEnv *env, ERL_NIF_TERM list) {
    ERL_NIF_TERM head;
    while (enif_get_list_cell(env, list, &head, &list)) {
        if (!enif_is_binary(env, head)) return false;
    }
    return enif_is_empty_list(env, list);
}

static NIF(multi_get_waiting) {
    (void)argc;
    struct db *handle;
    unsigned length;
    if (!arg_db(env, argv[0], &handle) || !enif_get_list_length(env, argv[1], &length) ||
        !all_binaries(env, argv[1])) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer = multi_list(env, db, argv[1], length, argv[2] == atoms.true_);
    db_leave(handle);
    return answer;
}

/* Up to MULTI_INLINE_MAX keys one after the other, without waiting and within one inline read's
 * worth of bytes. WARP_WOULD_BLOCK or WARP_BUFFER_TOO_SMALL: it is for a dirty scheduler. */
static warp_status multi_now(ErlNifEnv *env, warp_db *db, ERL_NIF_TERM list, bool pin,
                             ERL_NIF_TERM *terms, unsigned *count, size_t *bytes) {
    ERL_NIF_TERM head;
    ErlNifBinary key;
    unsigned n = 0;
    while (enif_get_list_cell(env, list, &head, &list)) {
        size_t len = 0, left = *bytes < GET_INLINE_MAX ? GET_INLINE_MAX - *bytes : 0;
        enif_inspect_binary(env, head, &key);
        warp_status status = get_now(env, db, &key, left, pin, &len, &terms[n]);
        if (status == WARP_NOT_FOUND) {
            terms[n] = atoms.nil_;
        } else if (status != WARP_OK) {
            return status;
        }
        *bytes += len;
        n++;
    }
    *count = n;
    return WARP_OK;
}

NIF(nif_multi_get) {
    struct db *handle;
    ERL_NIF_TERM terms[MULTI_INLINE_MAX], answer, rest = argv[1];
    unsigned count = 0;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    for (; enif_get_list_cell(env, rest, &answer, &rest); count++) {
        if (count == MULTI_INLINE_MAX) {
            return enif_schedule_nif(env, "multi_get", ERL_NIF_DIRTY_JOB_IO_BOUND,
                                     multi_get_waiting, argc, argv);
        }
    }
    if (!all_binaries(env, argv[1])) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    size_t bytes = 0;
    bool pin = argv[2] == atoms.true_;
    warp_status status = multi_now(env, db, argv[1], pin, terms, &count, &bytes);
    if (status == WARP_OK) {
        answer = found(env, enif_make_list_from_array(env, terms, count));
    } else if (status == WARP_WOULD_BLOCK || status == WARP_BUFFER_TOO_SMALL) {
        answer = enif_schedule_nif(env, "multi_get", ERL_NIF_DIRTY_JOB_IO_BOUND, multi_get_waiting,
                                   argc, argv);
    } else {
        answer = fail(env, status);
    }
    db_leave(handle);
    charge(env, count * copy_ns(0) + copy_ns(bytes));
    return answer;
}
