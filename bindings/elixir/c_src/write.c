/*
 * put, with a hint or without, delete, compare_and_swap.
 *
 * A write is a copy into the log: it runs on the caller's own scheduler unless the handle waits
 * for syncs, or the value is so large that copying it would hold the scheduler. A delete and a
 * swap read first what is there, so they ask for it without waiting, and go to a dirty scheduler
 * when the engine would have to.
 */
#include "nif.h"

static size_t write_ns(size_t len) { return 400 + len / 4; }

/* Whether reading `key` would wait for the disk. */
static bool is_cold(warp_db *db, const ErlNifBinary *key) {
    size_t len;
    return warp_get_nowait(db, key->data, key->size, NULL, 0, &len) == WARP_WOULD_BLOCK;
}

/* ---- put ---- */

/* put(db, key, value) and put_hinted(db, key, value, hint) */
static NIF(put_now) {
    struct db *handle;
    ErlNifBinary key, value;
    unsigned hint = WARP_WARM;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &key) ||
        !enif_inspect_binary(env, argv[2], &value) ||
        (argc == 4 && !enif_get_uint(env, argv[3], &hint))) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status =
        argc == 4 ? warp_put_hinted(db, key.data, key.size, value.data, value.size, hint)
                  : warp_put(db, key.data, key.size, value.data, value.size);
    ERL_NIF_TERM answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
    db_leave(handle);
    return answer;
}

NIF(nif_put) {
    struct db *handle;
    ErlNifBinary value;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[2], &value)) {
        return enif_make_badarg(env);
    }
    if (db_syncs(handle) || value.size > PUT_INLINE_MAX) {
        const char *name = argc == 4 ? "put_hinted" : "put";
        return enif_schedule_nif(env, name, ERL_NIF_DIRTY_JOB_IO_BOUND, put_now, argc, argv);
    }
    ERL_NIF_TERM answer = put_now(env, argc, argv);
    charge(env, write_ns(value.size));
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
    if (db_syncs(handle) || is_cold(db, &key)) {
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
    if (db_syncs(swap.handle) || bytes > PUT_INLINE_MAX || is_cold(db, &swap.key)) {
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
