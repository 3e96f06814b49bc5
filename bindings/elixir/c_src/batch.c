/*
 * Batches: one packed binary, one engine call, all of it or none of it. The form is that of
 * warp_write_encoded. A %Batch{} is packed in lib/warp_engine/native/batch.ex as it is built, a list
 * of operations here, which costs a third.
 */
#include "nif.h"
#include <string.h>

#define HEADER_BYTES 9
/* Up to so many keys a dirty scheduler is more than asking for each. */
#define ASK_MAX 16

/* Whether so many operations of so many bytes had better run on a dirty scheduler, whatever they
 * are. */
static bool takes_long(size_t count, size_t bytes, size_t *nanoseconds) {
    *nanoseconds = count * 400 + bytes / 4;
    return *nanoseconds > BATCH_INLINE_NS;
}

static size_t unpack_u32(const unsigned char *from) {
    return from[0] | (size_t)from[1] << 8 | (size_t)from[2] << 16 | (size_t)from[3] << 24;
}

/* Whether a write of these operations might wait: for a few keys the engine is asked one by one.
 * What is no operation does not wait, and is refused. */
static bool is_dirty(const struct db *handle, warp_db *db, const unsigned char *packed,
                     size_t size) {
    if (db_syncs(handle)) return true;
    if (warp_write_would_wait(db, NULL, 0) != WARP_WOULD_BLOCK) return false;
    for (int asked = 0; asked < ASK_MAX; asked++) {
        if (size < HEADER_BYTES) return false;
        size_t key = unpack_u32(packed + 1), value = unpack_u32(packed + 5);
        packed += HEADER_BYTES;
        size -= HEADER_BYTES;
        if (key + value > size) return false;
        if (warp_write_would_wait(db, packed, key) == WARP_WOULD_BLOCK) return true;
        packed += key + value;
        size -= key + value;
    }
    return true;
}

static ERL_NIF_TERM packed_answer(ErlNifEnv *env, warp_db *db, const void *packed, size_t len) {
    warp_status status = warp_write_encoded(db, packed, len);
    return status == WARP_OK ? atoms.ok_ : fail(env, status);
}

static NIF(write_waiting) {
    (void)argc;
    struct db *handle;
    ErlNifBinary packed;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &packed)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer = packed_answer(env, db, packed.data, packed.size);
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
    size_t nanoseconds;
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer;
    if (takes_long(count, packed.size, &nanoseconds) ||
        is_dirty(handle, db, packed.data, packed.size)) {
        answer =
            enif_schedule_nif(env, "write", ERL_NIF_DIRTY_JOB_IO_BOUND, write_waiting, argc, argv);
    } else {
        answer = packed_answer(env, db, packed.data, packed.size);
        charge(env, nanoseconds);
    }
    db_leave(handle);
    return answer;
}

/* ---- lists of operations ---- */

struct operation {
    unsigned char kind; /* 1 put, 2 delete */
    ErlNifBinary key, value;
};

/* {:put, key, value} or {:delete, key}; false for anything else. */
static bool inspect_operation(ErlNifEnv *env, ERL_NIF_TERM term, struct operation *operation) {
    const ERL_NIF_TERM *parts;
    int arity;
    if (!enif_get_tuple(env, term, &arity, &parts) || arity < 2 ||
        !enif_inspect_binary(env, parts[1], &operation->key) ||
        operation->key.size > UINT32_MAX) {
        return false;
    }
    if (arity == 2 && parts[0] == atoms.delete_) {
        operation->kind = 2;
        operation->value.size = 0;
        return true;
    }
    operation->kind = 1;
    return arity == 3 && parts[0] == atoms.put_ &&
           (enif_inspect_binary(env, parts[2], &operation->value) ||
            enif_inspect_iolist_as_binary(env, parts[2], &operation->value)) &&
           operation->value.size <= UINT32_MAX;
}

struct measure {
    size_t count, bytes;
};

/* Counts the operations of a list and the bytes of their packed form; if `bounded`, only as far as it
 * takes to know that it takes long. False if the list holds anything else. */
static bool measure(ErlNifEnv *env, ERL_NIF_TERM list, bool bounded, struct measure *sum) {
    ERL_NIF_TERM head;
    size_t nanoseconds;
    *sum = (struct measure){0};
    while (enif_get_list_cell(env, list, &head, &list)) {
        struct operation operation;
        if (!inspect_operation(env, head, &operation)) return false;
        sum->count++;
        sum->bytes += HEADER_BYTES + operation.key.size + operation.value.size;
        if (bounded && takes_long(sum->count, sum->bytes, &nanoseconds)) return true;
    }
    return enif_is_empty_list(env, list);
}

static unsigned char *pack_u32(unsigned char *to, size_t n) {
    for (int i = 0; i < 4; i++) *to++ = (unsigned char)(n >> (8 * i));
    return to;
}

static void pack(ErlNifEnv *env, ERL_NIF_TERM list, unsigned char *to) {
    ERL_NIF_TERM head;
    struct operation operation;
    while (enif_get_list_cell(env, list, &head, &list) &&
           inspect_operation(env, head, &operation)) {
        *to++ = operation.kind;
        to = pack_u32(to, operation.key.size);
        to = pack_u32(to, operation.value.size);
        memcpy(to, operation.key.data, operation.key.size);
        to += operation.key.size;
        if (operation.value.size) memcpy(to, operation.value.data, operation.value.size);
        to += operation.value.size;
    }
}

static NIF(write_list_waiting) {
    (void)argc;
    struct db *handle;
    struct measure sum;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    if (!measure(env, argv[1], false, &sum)) return atoms.invalid_argument_;
    unsigned char *packed = enif_alloc(sum.bytes + 1);
    if (!packed) return fail_memory(env);
    pack(env, argv[1], packed);
    warp_db *db = db_enter(handle);
    ERL_NIF_TERM answer = db ? packed_answer(env, db, packed, sum.bytes) : fail_closed(env);
    if (db) db_leave(handle);
    enif_free(packed);
    return answer;
}

/* What is short enough is packed here, and written unless that might wait. */
static ERL_NIF_TERM write_short_list(ErlNifEnv *env, struct db *handle, const ERL_NIF_TERM argv[],
                                     size_t bytes) {
    unsigned char *packed = enif_alloc(bytes + 1);
    if (!packed) return fail_memory(env);
    pack(env, argv[1], packed);
    warp_db *db = db_enter(handle);
    ERL_NIF_TERM answer;
    if (!db) {
        answer = fail_closed(env);
    } else if (is_dirty(handle, db, packed, bytes)) {
        answer = enif_schedule_nif(env, "write_list", ERL_NIF_DIRTY_JOB_IO_BOUND,
                                   write_list_waiting, 2, argv);
    } else {
        answer = packed_answer(env, db, packed, bytes);
    }
    if (db) db_leave(handle);
    enif_free(packed);
    return answer;
}

/* write_list(db, operations): as write; :invalid_argument for a list that holds anything else. */
NIF(nif_write_list) {
    struct db *handle;
    struct measure sum;
    size_t nanoseconds;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    if (!measure(env, argv[1], true, &sum)) return atoms.invalid_argument_;
    if (takes_long(sum.count, sum.bytes, &nanoseconds)) {
        return enif_schedule_nif(env, "write_list", ERL_NIF_DIRTY_JOB_IO_BOUND,
                                 write_list_waiting, argc, argv);
    }
    ERL_NIF_TERM answer = write_short_list(env, handle, argv, sum.bytes);
    charge(env, nanoseconds);
    return answer;
}
