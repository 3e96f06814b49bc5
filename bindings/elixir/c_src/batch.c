/*
 * Batches: one packed binary, one engine call, all of it or none of it. The form is that of
 * warp_write_encoded, built in lib/warp_engine/native/batch.ex.
 */
#include "nif.h"

static NIF(write_now) {
    (void)argc;
    struct db *handle;
    ErlNifBinary packed;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &packed)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_status status = warp_write_encoded(db, packed.data, packed.size);
    ERL_NIF_TERM answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
    db_leave(handle);
    return answer;
}

/* write(db, packed, count): the count is what the caller says it is, and decides only where to run.
 * The engine reads the operations themselves. */
NIF(nif_write) {
    struct db *handle;
    ErlNifBinary packed;
    unsigned count;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &packed) ||
        !enif_get_uint(env, argv[2], &count)) {
        return enif_make_badarg(env);
    }
    size_t nanoseconds = (size_t)count * 400 + packed.size / 4;
    if (db_syncs(handle) || nanoseconds > BATCH_INLINE_NS) {
        return enif_schedule_nif(env, "write", ERL_NIF_DIRTY_JOB_IO_BOUND, write_now, argc, argv);
    }
    ERL_NIF_TERM answer = write_now(env, argc, argv);
    charge(env, nanoseconds);
    return answer;
}
