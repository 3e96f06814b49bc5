/*
 * The load monitor: its events as JSON, which the Elixir side takes apart, and all figures as
 * OpenMetrics text. Both make text of hundreds of figures, so both stand in the table as dirty.
 */
#include "nif.h"

NIF(nif_events_json) {
    (void)argc;
    struct db *handle;
    ErlNifUInt64 from;
    if (!arg_db(env, argv[0], &handle) || !enif_get_uint64(env, argv[1], &from)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    char *json = NULL;
    ERL_NIF_TERM answer = string_answer(env, warp_events_json(db, from, &json), &json);
    db_leave(handle);
    return answer;
}

NIF(nif_openmetrics) {
    (void)argc;
    struct db *handle;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    char *text = NULL;
    ERL_NIF_TERM answer = string_answer(env, warp_stats_openmetrics(db, &text), &text);
    db_leave(handle);
    return answer;
}
