/*
 * put, with a hint or without, delete, compare_and_swap.
 *
 * A write is a copy into the log: it runs on the caller's own scheduler unless the handle waits for
 * syncs, the value is so large that copying it would hold the scheduler, or the engine says that it
 * would have to wait: a write looks first at what it overwrites, which may be on the disk, and writers
 * are held back when compaction falls behind.
 */
#include "nif.h"

static size_t write_ns(size_t len) { return 400 + len / 4; }

/* Whether a write of `key` is for a dirty scheduler. What the engine cannot say, the write says. */
static bool is_dirty(const struct db *handle, warp_db *db, const ErlNifBinary *key) {
    return db_syncs(handle) ||
           warp_write_would_wait(db, key->data, key->size) == WARP_WOULD_BLOCK;
}

/* ---- put ---- */

struct put {
    struct db *handle;
    ErlNifBinary key, value;
    unsigned hint; /* 0: none */
};

/* put(db, key, value) and put_hinted(db, key, value, hint) */
static bool put_args(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[], struct put *put) {
    put->hint = 0;
    return arg_db(env, argv[0], &put->handle) && enif_inspect_binary(env, argv[1], &put->key) &&
           enif_inspect_binary(env, argv[2], &put->value) &&
           (argc == 3 || (enif_get_uint(env, argv[3], &put->hint) && put->hint != 0));
}

static ERL_NIF_TERM put_answer(ErlNifEnv *env, warp_db *db, const struct put *put) {
    const ErlNifBinary *key = &put->key, *value = &put->value;
    warp_status status =
        put->hint ? warp_put_hinted(db, key->data, key->size, value->data, value->size, put->hint)
                  : warp_put(db, key->data, key->size, value->data, value->size);
    return status == WARP_OK ? atoms.ok_ : fail(env, status);
}

static NIF(put_waiting) {
    struct put put;
    if (!put_args(env, argc, argv, &put)) return enif_make_badarg(env);
    warp_db *db = db_enter(put.handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer = put_answer(env, db, &put);
    db_leave(put.handle);
    return answer;
}

NIF(nif_put) {
    struct put put;
    if (!put_args(env, argc, argv, &put)) return enif_make_badarg(env);
    warp_db *db = db_enter(put.handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer;
    if (put.value.size > PUT_INLINE_MAX || is_dirty(put.handle, db, &put.key)) {
        const char *name = argc == 4 ? "put_hinted" : "put";
        answer = enif_schedule_nif(env, name, ERL_NIF_DIRTY_JOB_IO_BOUND, put_waiting, argc, argv);
    } else {
        answer = put_answer(env, db, &put);
        charge(env, write_ns(put.value.size));
    }
    db_leave(put.handle);
    return answer;
}

/* ---- delete ---- */

static ERL_NIF_TERM delete_answer(ErlNifEnv *env, warp_db *db, const ErlNifBinary *key) {
    warp_status status = warp_delete(db, key->data, key->size);
    if (status == WARP_OK) return atoms.ok_;
    return status == WARP_NOT_FOUND ? atoms.not_found_ : fail(env, status);
}

static NIF(delete_waiting) {
    (void)argc;
    struct db *handle;
    ErlNifBinary key;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &key)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer = delete_answer(env, db, &key);
    db_leave(handle);
    return answer;
}

NIF(nif_delete) {
    struct db *handle;
    ErlNifBinary key;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &key)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer;
    if (is_dirty(handle, db, &key)) {
        answer = enif_schedule_nif(env, "delete", ERL_NIF_DIRTY_JOB_IO_BOUND, delete_waiting, argc,
                                   argv);
    } else {
        answer = delete_answer(env, db, &key);
    }
    db_leave(handle);
    charge(env, write_ns(0));
    return answer;
}

/* ---- compare and swap ---- */

struct swap {
    struct db *handle;
    ErlNifBinary key;
    warp_slice expected, desired;
    const warp_slice *expected_or_none, *desired_or_none;
};

/* A binary, or nil for "no value". */
static bool slice_or_none(ErlNifEnv *env, ERL_NIF_TERM term, warp_slice *slice,
                          const warp_slice **or_none) {
    ErlNifBinary bytes;
    *slice = (warp_slice){0};
    *or_none = NULL;
    if (term == atoms.nil_) return true;
    if (!enif_inspect_binary(env, term, &bytes)) return false;
    *slice = (warp_slice){.data = bytes.data, .len = bytes.size};
    *or_none = slice;
    return true;
}

static bool swap_args(ErlNifEnv *env, const ERL_NIF_TERM argv[], struct swap *swap) {
    return arg_db(env, argv[0], &swap->handle) && enif_inspect_binary(env, argv[1], &swap->key) &&
           slice_or_none(env, argv[2], &swap->expected, &swap->expected_or_none) &&
           slice_or_none(env, argv[3], &swap->desired, &swap->desired_or_none);
}

static ERL_NIF_TERM swap_answer(ErlNifEnv *env, warp_db *db, const struct swap *swap) {
    warp_status status = warp_compare_and_swap(db, swap->key.data, swap->key.size,
                                               swap->expected_or_none, swap->desired_or_none);
    if (status == WARP_OK) return atoms.ok_;
    return status == WARP_CONFLICT ? atoms.conflict_ : fail(env, status);
}

static NIF(swap_waiting) {
    (void)argc;
    struct swap swap;
    if (!swap_args(env, argv, &swap)) return enif_make_badarg(env);
    warp_db *db = db_enter(swap.handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer = swap_answer(env, db, &swap);
    db_leave(swap.handle);
    return answer;
}

NIF(nif_compare_and_swap) {
    struct swap swap;
    if (!swap_args(env, argv, &swap)) return enif_make_badarg(env);
    warp_db *db = db_enter(swap.handle);
    if (!db) return fail_closed(env);
    size_t bytes = swap.expected.len + swap.desired.len;
    ERL_NIF_TERM answer;
    if (bytes > PUT_INLINE_MAX || is_dirty(swap.handle, db, &swap.key)) {
        answer = enif_schedule_nif(env, "compare_and_swap", ERL_NIF_DIRTY_JOB_IO_BOUND,
                                   swap_waiting, argc, argv);
        bytes = 0;
    } else {
        answer = swap_answer(env, db, &swap);
    }
    db_leave(swap.handle);
    charge(env, write_ns(bytes));
    return answer;
}
