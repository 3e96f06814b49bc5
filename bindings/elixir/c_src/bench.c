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
#define BATCH_OPS 100

struct loop {
    warp_db *db;
    size_t size; /* of each value */
    char (*keys)[KEY_LEN + 1];
    unsigned char *value;
    unsigned char *packed; /* BATCH_OPS puts */
    size_t packed_len;
};

static size_t pack(struct loop *loop) {
    unsigned char *to = loop->packed;
    for (unsigned i = 0; i < BATCH_OPS; i++) {
        uint32_t key_len = KEY_LEN, value_len = (uint32_t)loop->size;
        *to++ = 1;
        memcpy(to, &key_len, 4);
        memcpy(to + 4, &value_len, 4);
        memcpy(to + 8, loop->keys[i], KEY_LEN);
        memcpy(to + 8 + KEY_LEN, loop->value, loop->size);
        to += 8 + KEY_LEN + loop->size;
    }
    return (size_t)(to - loop->packed);
}

static bool loop_init(struct loop *loop) {
    loop->keys = malloc(KEYS * sizeof *loop->keys);
    loop->value = calloc(1, loop->size + 1);
    loop->packed = malloc(BATCH_OPS * (9 + KEY_LEN + loop->size));
    if (!loop->keys || !loop->value || !loop->packed) return false;
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(loop->keys[i], sizeof loop->keys[i], "key:%012u", i % 1000000);
    }
    loop->packed_len = pack(loop);
    return true;
}

static void loop_free(struct loop *loop) {
    free(loop->keys);
    free(loop->value);
    free(loop->packed);
}

static warp_status call(struct loop *loop, ERL_NIF_TERM what, uint64_t i) {
    const char *key = loop->keys[i % KEYS];
    size_t len;
    if (what == atoms.get_) {
        return warp_get_nowait(loop->db, key, KEY_LEN, loop->value, loop->size, &len);
    }
    if (what == atoms.put_) return warp_put(loop->db, key, KEY_LEN, loop->value, loop->size);
    return warp_write_encoded(loop->db, loop->packed, loop->packed_len);
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
