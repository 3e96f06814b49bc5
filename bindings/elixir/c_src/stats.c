/*
 * Statistics as a map of integers, and as JSON.
 */
#include "nif.h"
#include <string.h>

#define STATISTICS(X)                                                                              \
    X(keys) X(puts) X(gets) X(hits) X(deletes) X(shards) X(log_bytes) X(live_bytes)                \
    X(index_bytes) X(cache_bytes) X(resident_bytes) X(checkpoints) X(recovered_records)            \
    X(open_micros) X(disk_bytes) X(syncs)

static ERL_NIF_TERM statistics_map(ErlNifEnv *env, const warp_statistics *statistics) {
#define X(name) enif_make_atom(env, #name),
    ERL_NIF_TERM keys[] = {STATISTICS(X)};
#undef X
#define X(name) enif_make_uint64(env, statistics->name),
    ERL_NIF_TERM values[] = {STATISTICS(X)};
#undef X
    ERL_NIF_TERM map;
    enif_make_map_from_arrays(env, keys, values, sizeof keys / sizeof *keys, &map);
    return map;
}

NIF(nif_stats) {
    (void)argc;
    struct db *handle;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_statistics statistics = {.struct_size = sizeof statistics};
    warp_status status = warp_stats(db, &statistics);
    ERL_NIF_TERM answer = status == WARP_OK ? enif_make_tuple2(env, atoms.ok_,
                                                               statistics_map(env, &statistics))
                                            : fail(env, status);
    db_leave(handle);
    return answer;
}

NIF(nif_stats_json) {
    (void)argc;
    struct db *handle;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    char *json = NULL;
    ERL_NIF_TERM answer = string_answer(env, warp_stats_json(db, &json), &json);
    db_leave(handle);
    return answer;
}
