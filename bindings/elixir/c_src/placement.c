/*
 * Placement: rules, which shard a key has, and moving slots between shards. Where a key lives is
 * arithmetic, in a microsecond however many rules there are; the rest moves index entries or waits
 * for those who do, so it stands in the table as dirty.
 */
#include "nif.h"

/* What looking for a pattern of 64 rules that fits may take. */
#define SHARD_OF_NS 1000

/* The binaries of a list; false if it is none. */
static bool slices_of(ErlNifEnv *env, ERL_NIF_TERM list, warp_slice *slices) {
    ERL_NIF_TERM head;
    ErlNifBinary bytes;
    for (; enif_get_list_cell(env, list, &head, &list); slices++) {
        if (!enif_inspect_binary(env, head, &bytes)) return false;
        *slices = (warp_slice){.data = bytes.data, .len = bytes.size};
    }
    return true;
}

/* add_rule(db, patterns, flags) */
NIF(nif_add_rule) {
    (void)argc;
    struct db *handle;
    unsigned flags, n;
    if (!arg_db(env, argv[0], &handle) || !enif_get_list_length(env, argv[1], &n) ||
        !enif_get_uint(env, argv[2], &flags)) {
        return enif_make_badarg(env);
    }
    warp_slice *patterns = enif_alloc((n + 1) * sizeof *patterns);
    if (!patterns) return fail_memory(env);
    warp_db *db = NULL;
    ERL_NIF_TERM answer;
    if (!slices_of(env, argv[1], patterns)) {
        answer = enif_make_badarg(env);
    } else if (!(db = db_enter(handle))) {
        answer = fail_closed(env);
    } else {
        warp_status status = warp_add_rule(db, n, patterns, flags);
        answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
        db_leave(handle);
    }
    enif_free(patterns);
    return answer;
}

NIF(nif_remove_rule) {
    (void)argc;
    struct db *handle;
    ErlNifBinary pattern;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &pattern)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status = warp_remove_rule(db, pattern.data, pattern.size);
    ERL_NIF_TERM answer = status == WARP_OK          ? atoms.ok_
                          : status == WARP_NOT_FOUND ? atoms.not_found_
                                                     : fail(env, status);
    db_leave(handle);
    return answer;
}

NIF(nif_rules_json) {
    (void)argc;
    struct db *handle;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    char *json = NULL;
    ERL_NIF_TERM answer = string_answer(env, warp_rules_json(db, &json), &json);
    db_leave(handle);
    return answer;
}

static ERL_NIF_TERM number_answer(ErlNifEnv *env, warp_status status, uint64_t number) {
    if (status != WARP_OK) return fail(env, status);
    return enif_make_tuple2(env, atoms.ok_, enif_make_uint64(env, number));
}

NIF(nif_shard_of) {
    (void)argc;
    struct db *handle;
    ErlNifBinary key;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &key)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    uint32_t shard = 0;
    warp_status status = warp_shard_of(db, key.data, key.size, &shard);
    ERL_NIF_TERM answer = number_answer(env, status, shard);
    db_leave(handle);
    charge(env, SHARD_OF_NS);
    return answer;
}

NIF(nif_shard_cpu) {
    (void)argc;
    struct db *handle;
    unsigned shard;
    if (!arg_db(env, argv[0], &handle) || !enif_get_uint(env, argv[1], &shard)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    uint32_t cpu = 0;
    warp_status status = warp_shard_cpu(db, shard, &cpu);
    ERL_NIF_TERM answer = number_answer(env, status, cpu);
    db_leave(handle);
    return answer;
}

NIF(nif_rebalance) {
    (void)argc;
    struct db *handle;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    uint64_t moved = 0;
    warp_status status = warp_rebalance(db, &moved);
    ERL_NIF_TERM answer = number_answer(env, status, moved);
    db_leave(handle);
    return answer;
}

/* move_slot(db, slot, shard) */
NIF(nif_move_slot) {
    (void)argc;
    struct db *handle;
    unsigned slot, shard;
    if (!arg_db(env, argv[0], &handle) || !enif_get_uint(env, argv[1], &slot) ||
        !enif_get_uint(env, argv[2], &shard)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status = warp_move_slot(db, slot, shard);
    ERL_NIF_TERM answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
    db_leave(handle);
    return answer;
}
