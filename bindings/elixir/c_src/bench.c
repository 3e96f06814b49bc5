/*
 * The C figure beside which bench/calls.exs prints the Elixir one: the same calls, on the same
 * handle, in a loop here. Keys are those of the script: 16 bytes, "key:" and twelve digits.
 */
#include "nif.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 1000 /* as in bench/calls.exs */
#define KEY_LEN 16
#define BATCH_OPS 1000

struct loop {
    warp_db *db;
    size_t size; /* of each value */
    char (*keys)[KEY_LEN + 1];
    unsigned char *value;
    warp_batch *batch;
};

/* Builds a batch of BATCH_OPS puts and writes it. */
static warp_status write_batch(struct loop *loop) {
    warp_batch_clear(loop->batch);
    for (unsigned i = 0; i < BATCH_OPS; i++) {
        warp_status status =
            warp_batch_put(loop->batch, loop->keys[i], KEY_LEN, loop->value, loop->size);
        if (status != WARP_OK) return status;
    }
    return warp_write(loop->db, loop->batch);
}

static bool loop_init(struct loop *loop) {
    loop->keys = malloc(KEYS * sizeof *loop->keys);
    loop->value = calloc(1, loop->size + 1);
    loop->batch = warp_batch_new();
    if (!loop->keys || !loop->value || !loop->batch) return false;
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(loop->keys[i], sizeof loop->keys[i], "key:%012u", i % 1000000);
    }
    return true;
}

static void loop_free(struct loop *loop) {
    free(loop->keys);
    free(loop->value);
    warp_batch_free(loop->batch);
}

static warp_status call(struct loop *loop, ERL_NIF_TERM what, uint64_t i) {
    const char *key = loop->keys[i % KEYS];
    size_t len;
    if (what == atoms.get_) {
        return warp_get_nowait(loop->db, key, KEY_LEN, loop->value, loop->size, &len);
    }
    if (what == atoms.put_) return warp_put(loop->db, key, KEY_LEN, loop->value, loop->size);
    return write_batch(loop);
}

/* bench(db, :get | :put | :batch, count, value size): {ok, nanoseconds of all calls} */
NIF(nif_bench) {
    (void)argc;
    struct db *handle;
    struct loop loop = {0};
    ErlNifUInt64 count, size;
    if (!arg_db(env, argv[0], &handle) || !enif_get_uint64(env, argv[2], &count) ||
        !enif_get_uint64(env, argv[3], &size)) {
        return enif_make_badarg(env);
    }
    loop.size = size;
    if (!(loop.db = db_enter(handle))) return fail_closed(env);
    ERL_NIF_TERM answer;
    if (loop_init(&loop)) {
        warp_status status = WARP_OK;
        ErlNifTime start = enif_monotonic_time(ERL_NIF_NSEC);
        for (uint64_t i = 0; i < count && status >= 0; i++) status = call(&loop, argv[1], i);
        ErlNifTime end = enif_monotonic_time(ERL_NIF_NSEC);
        answer = status < 0 ? fail(env, status)
                            : enif_make_tuple2(env, atoms.ok_, enif_make_int64(env, end - start));
    } else {
        answer = fail_memory(env);
    }
    db_leave(handle);
    loop_free(&loop);
    return answer;
}
