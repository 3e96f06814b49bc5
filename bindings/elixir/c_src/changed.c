/*
 * get_if_changed: a read for callers that keep what they made of a value.
 *
 * Asked on the caller's own scheduler, without waiting; what is unchanged costs the look-up alone.
 * Where the engine would have to wait, or where there is much to copy, the same function goes on on
 * a dirty I/O scheduler, from the start.
 */
#include "nif.h"
#include <string.h>

/* Values up to this size are read into the stack and copied from there, with one look-up. */
#define STACK_MAX 4096

struct call {
    struct db *db;
    ErlNifBinary key;
    ErlNifUInt64 known;
};

static bool parse(ErlNifEnv *env, const ERL_NIF_TERM argv[], struct call *call) {
    return arg_db(env, argv[0], &call->db) && enif_inspect_binary(env, argv[1], &call->key) &&
           enif_get_uint64(env, argv[2], &call->known);
}

/* warp_get_if_changed, or the one that does not wait. */
typedef warp_status read_call(warp_db *, const void *, size_t, uint64_t, void *, size_t, size_t *,
                              uint64_t *);

/* The value, if it is another and not longer than `max`: then WARP_BUFFER_TOO_SMALL. It may change
 * between look-ups: a shorter one fits, and a longer one goes round again. */
static warp_status get(ErlNifEnv *env, warp_db *db, const struct call *call, read_call *read,
                       size_t max, size_t *len, uint64_t *revision, ERL_NIF_TERM *value) {
    unsigned char stack[STACK_MAX], *bytes;
    warp_status status = read(db, call->key.data, call->key.size, call->known, stack, sizeof stack,
                              len, revision);
    if (status == WARP_OK) {
        bytes = enif_make_new_binary(env, *len, value);
        if (!bytes) return WARP_ERR_OUT_OF_MEMORY;
        if (*len > 0) memcpy(bytes, stack, *len);
    }
    while (status == WARP_BUFFER_TOO_SMALL && *len <= max) {
        size_t room = *len;
        bytes = enif_make_new_binary(env, room, value);
        if (!bytes) return WARP_ERR_OUT_OF_MEMORY;
        status =
            read(db, call->key.data, call->key.size, call->known, bytes, room, len, revision);
        if (status == WARP_OK && *len < room) *value = enif_make_sub_binary(env, *value, 0, *len);
    }
    return status;
}

/* What there is to say when the call need not go on elsewhere. */
static ERL_NIF_TERM answer(ErlNifEnv *env, warp_status status, uint64_t revision,
                           ERL_NIF_TERM value) {
    switch (status) {
    case WARP_OK:
        return enif_make_tuple3(env, atoms.ok_, value, enif_make_uint64(env, revision));
    case WARP_UNCHANGED: return atoms.unchanged_;
    case WARP_NOT_FOUND: return atoms.not_found_;
    default: return fail(env, status);
    }
}

static NIF(get_if_changed_waiting) {
    (void)argc;
    struct call call;
    if (!parse(env, argv, &call)) return enif_make_badarg(env);
    warp_db *db = db_enter(call.db);
    if (!db) return fail_closed(env);
    size_t len = 0;
    uint64_t revision = 0;
    ERL_NIF_TERM value = atoms.nil_;
    warp_status status =
        get(env, db, &call, warp_get_if_changed, SIZE_MAX, &len, &revision, &value);
    ERL_NIF_TERM term = answer(env, status, revision, value);
    db_leave(call.db);
    return term;
}

/* get_if_changed(db, key, known): unchanged; {ok, value, revision}; not_found */
NIF(nif_get_if_changed) {
    struct call call;
    if (!parse(env, argv, &call)) return enif_make_badarg(env);
    warp_db *db = db_enter(call.db);
    if (!db) return fail_closed(env);
    size_t len = 0;
    uint64_t revision = 0;
    ERL_NIF_TERM value = atoms.nil_, term;
    warp_status status = get(env, db, &call, warp_get_if_changed_nowait, GET_INLINE_MAX, &len,
                             &revision, &value);
    if (status == WARP_WOULD_BLOCK || status == WARP_BUFFER_TOO_SMALL) {
        term = enif_schedule_nif(env, "get_if_changed", ERL_NIF_DIRTY_JOB_IO_BOUND,
                                 get_if_changed_waiting, argc, argv);
        len = 0;
    } else {
        term = answer(env, status, revision, value);
    }
    db_leave(call.db);
    charge(env, 100 + (len < PIN_MIN ? len / 8 : len / 2));
    return term;
}
