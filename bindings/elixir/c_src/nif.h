/*
 * What the files of the NIF share.
 *
 * Threads: every function here may run on any scheduler thread, normal or dirty. Statics are
 * written while the library is loaded and read-only afterwards, except where a file says more.
 *
 * Blocking: a function without DIRTY in its line of the table in nif.c never waits for the disk,
 * for another caller, or for a thread. What may wait is handed to a dirty I/O scheduler with
 * enif_schedule_nif, or stands in the table as dirty.
 *
 * Errors: a failed engine call becomes {error, %WarpEngine.Native.Error{}} before the function
 * returns, because warp_last_error() belongs to the thread and the process may wake on another.
 */
#ifndef WARP_NIF_H
#define WARP_NIF_H

#include <erl_nif.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <warp_engine.h>

/* Values up to this size are written by the caller's own scheduler. Copying it takes 2 us. */
#define PUT_INLINE_MAX ((size_t)16 << 10)
/* Values up to this size are copied out by the caller's own scheduler. Measured: 1.5 us for 64 KiB;
 * for this much 115 to 230 us when every page of the copy is fresh. */
#define GET_INLINE_MAX ((size_t)256 << 10)
/* Batches that take at most about this long are written inline: 1,000 small puts, 650 of 1 KiB.
 * Reckoned with 400 ns a put, of which they take 100 to 250 in memory: on a dirty scheduler a batch
 * of 1,000 small ones takes half as long again. */
#define BATCH_INLINE_NS 450000
/* multi_get of up to this many keys asks inline; above, overlapped reads are worth the 2 us that
 * a dirty scheduler costs. */
#define MULTI_INLINE_MAX 16
/* Values from this size on are handed out without a copy when the caller allows it: below, the copy
 * is cheaper than the resource that keeps the value pinned. */
#define PIN_MIN ((size_t)16 << 10)
/* What handing out such a value takes: as much as copying this many bytes. */
#define PIN_AS_BYTES ((size_t)4 << 10)

/* ---- atoms (nif.c) ---- */

#define WARP_ATOMS(X)                                                                              \
    X(ok) X(error) X(not_found) X(conflict) X(would_block) X(timeout) X(true) X(false) X(nil)      \
    X(reason) X(status) X(message) X(closed) X(buffer_too_small) X(invalid_argument) X(io)         \
    X(corruption) X(busy) X(no_space) X(read_only) X(too_large) X(unsupported) X(out_of_memory)    \
    X(internal) X(unknown) X(done) X(memory) X(get) X(put) X(delete) X(batch) X(unchanged)

struct atoms {
#define X(name) ERL_NIF_TERM name##_;
    WARP_ATOMS(X)
#undef X
    ERL_NIF_TERM struct_key;    /* :__struct__ */
    ERL_NIF_TERM exception_key; /* :__exception__ */
    ERL_NIF_TERM error_module;  /* WarpEngine.Native.Error */
};
extern struct atoms atoms;

/* ---- errors (error.c) ---- */

/* {error, %Error{}} for a status of the call that this thread has just made. */
ERL_NIF_TERM fail(ErlNifEnv *env, warp_status status);
/* {error, %Error{}} of the binding's own making. */
ERL_NIF_TERM fail_with(ErlNifEnv *env, ERL_NIF_TERM reason, warp_status status, const char *text);
ERL_NIF_TERM fail_closed(ErlNifEnv *env);
ERL_NIF_TERM fail_memory(ErlNifEnv *env);

/* ---- accounting (account.c) ---- */

/* A number of the calling thread, the same for its whole life. */
unsigned thread_number(void);
/* Charges the calling process for about `nanoseconds` of work beyond a plain call. */
void charge(ErlNifEnv *env, size_t nanoseconds);

/* ---- the database handle (db.c) ---- */

struct db;
extern ErlNifResourceType *db_type;
void db_destroy(ErlNifEnv *env, void *object);

/* Between db_enter and db_leave the engine handle stays open. db_enter answers NULL when the
 * handle is closed; then there is no db_leave. */
warp_db *db_enter(struct db *db);
void db_leave(struct db *db);
/* Whether the handle acknowledges writes only after a sync. */
bool db_syncs(const struct db *db);

/* The arguments that most functions begin with; false when they are not what they must be. */
bool arg_db(ErlNifEnv *env, ERL_NIF_TERM term, struct db **db);

/* ---- values (value.c) ---- */

extern ErlNifResourceType *value_type;
void value_destroy(ErlNifEnv *env, void *object);

/* Takes `value` over, zeroes it, and makes a binary that points into it. False when there is no
 * memory for that: then the value is released. */
bool pinned_term(ErlNifEnv *env, warp_value *value, ERL_NIF_TERM *term);
/* Takes `value` over, zeroes it, and makes a binary of it: pinned if `pin` and it is large, else
 * copied. False when there is no memory for it. */
bool value_term(ErlNifEnv *env, warp_value *value, bool pin, ERL_NIF_TERM *term);

/* Takes over the string that a call with this status has made: {ok, binary}, or what went wrong.
 * (By its place: an argument list has no order, and the call may stand in the same one.) */
ERL_NIF_TERM string_answer(ErlNifEnv *env, warp_status status, char **string);

/* ---- iterators (iter.c) ---- */

extern ErlNifResourceType *iter_type;
void iter_destroy(ErlNifEnv *env, void *object);

/* ---- what destructors may not do themselves (reaper.c) ---- */

/* Creates what the reaper needs; called by each load of the library. */
bool reaper_init(void);
void reap_db(warp_db *db);
void reap_iter(warp_iter *iter);
void reap_value(const warp_value *value);

/* ---- the functions of WarpEngine.Native.Nif ---- */

#define NIF(name) ERL_NIF_TERM name(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
NIF(nif_open);
NIF(nif_close);
NIF(nif_get);
NIF(nif_get_unless);
NIF(nif_get_if_changed);
NIF(nif_exists);
NIF(nif_multi_get);
NIF(nif_put);
NIF(nif_delete);
NIF(nif_compare_and_swap);
NIF(nif_write);
NIF(nif_write_list);
NIF(nif_iter_new);
NIF(nif_iter_next_page);
NIF(nif_iter_close);
NIF(nif_sync);
NIF(nif_token);
NIF(nif_wait_durable);
NIF(nif_is_durable);
NIF(nif_checkpoint);
NIF(nif_compact);
NIF(nif_backup);
NIF(nif_stats);
NIF(nif_stats_json);
NIF(nif_openmetrics);
NIF(nif_events_json);
NIF(nif_link);
NIF(nif_unlink);
NIF(nif_get_linked);
NIF(nif_partners);
NIF(nif_add_rule);
NIF(nif_remove_rule);
NIF(nif_rules_json);
NIF(nif_shard_of);
NIF(nif_shard_cpu);
NIF(nif_rebalance);
NIF(nif_move_slot);
NIF(nif_version);
NIF(nif_bench);

#endif
