/*
 * Durability and upkeep. All of it waits, so all of it stands in the table as dirty, except the
 * two that only look at numbers: token and is_durable.
 */
#include "nif.h"
#include <string.h>

typedef warp_status upkeep(warp_db *);

static ERL_NIF_TERM run(ErlNifEnv *env, ERL_NIF_TERM term, upkeep *call) {
    struct db *handle;
    if (!arg_db(env, term, &handle)) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status = call(db);
    ERL_NIF_TERM answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
    db_leave(handle);
    return answer;
}

NIF(nif_sync) {
    (void)argc;
    return run(env, argv[0], warp_sync);
}

NIF(nif_checkpoint) {
    (void)argc;
    return run(env, argv[0], warp_checkpoint);
}

NIF(nif_compact) {
    (void)argc;
    return run(env, argv[0], warp_compact);
}

NIF(nif_token) {
    (void)argc;
    struct db *handle;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    ErlNifUInt64 token = warp_token(db);
    db_leave(handle);
    return enif_make_tuple2(env, atoms.ok_, enif_make_uint64(env, token));
}

NIF(nif_wait_durable) {
    (void)argc;
    struct db *handle;
    ErlNifUInt64 token;
    unsigned timeout_ms;
    if (!arg_db(env, argv[0], &handle) || !enif_get_uint64(env, argv[1], &token) ||
        !enif_get_uint(env, argv[2], &timeout_ms)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status = warp_wait_durable(db, token, timeout_ms);
    ERL_NIF_TERM answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
    db_leave(handle);
    return answer;
}

NIF(nif_is_durable) {
    (void)argc;
    struct db *handle;
    ErlNifUInt64 token;
    if (!arg_db(env, argv[0], &handle) || !enif_get_uint64(env, argv[1], &token)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status = warp_is_durable(db, token);
    ERL_NIF_TERM answer = status == WARP_OK            ? atoms.true_
                          : status == WARP_WOULD_BLOCK ? atoms.false_
                                                       : fail(env, status);
    db_leave(handle);
    return answer;
}

/* The path comes with its terminating NUL, added on the Elixir side. */
NIF(nif_backup) {
    (void)argc;
    struct db *handle;
    ErlNifBinary path;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &path) ||
        path.size == 0 || memchr(path.data, 0, path.size) != path.data + path.size - 1) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status = warp_backup(db, (const char *)path.data);
    ERL_NIF_TERM answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
    db_leave(handle);
    return answer;
}
