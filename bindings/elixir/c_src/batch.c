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

/* A list of operations in packed form. */
struct packed {
    unsigned char *bytes;
    size_t used, room;
};

enum packing { PACKED, TAKES_LONG, NO_LIST_OF_OPERATIONS, NO_MEMORY };

static unsigned char *put_u32(unsigned char *to, size_t n) {
    for (int i = 0; i < 4; i++) *to++ = (unsigned char)(n >> (8 * i));
    return to;
}

/* The most room that is made for operations which have not been looked at. */
#define ROOM_AHEAD ((size_t)128 << 10)

/* Makes room for `size` more bytes, and for as much for each of `left` operations after them, since
 * those of a batch are mostly alike; within bounds that let the room double. */
static bool make_room(struct packed *packed, size_t size, size_t left) {
    if (packed->room - packed->used >= size) return true;
    size_t ahead = left * size, bound = packed->used + ROOM_AHEAD;
    size_t room = packed->used + size + (ahead < bound ? ahead : bound);
    unsigned char *bytes = enif_realloc(packed->bytes, room);
    if (!bytes) return false;
    packed->bytes = bytes;
    packed->room = room;
    return true;
}

/* Packs a list of `count` operations, each looked at once; if `bounded`, only as far as it takes to
 * know that it takes long. The caller frees packed->bytes whatever the answer is. */
static enum packing pack(ErlNifEnv *env, ERL_NIF_TERM list, size_t count, bool bounded,
                         struct packed *packed) {
    ERL_NIF_TERM head;
    size_t nanoseconds;
    *packed = (struct packed){0};
    for (size_t left = count; left > 0; left--) {
        struct operation operation;
        if (!enif_get_list_cell(env, list, &head, &list) ||
            !inspect_operation(env, head, &operation)) {
            return NO_LIST_OF_OPERATIONS;
        }
        size_t size = HEADER_BYTES + operation.key.size + operation.value.size;
        if (bounded && takes_long(count, packed->used + size, &nanoseconds)) return TAKES_LONG;
        if (!make_room(packed, size, left - 1)) return NO_MEMORY;
        unsigned char *to = packed->bytes + packed->used;
        *to++ = operation.kind;
        to = put_u32(to, operation.key.size);
        to = put_u32(to, operation.value.size);
        memcpy(to, operation.key.data, operation.key.size);
        if (operation.value.size) {
            memcpy(to + operation.key.size, operation.value.data, operation.value.size);
        }
        packed->used += size;
    }
    return PACKED;
}

static NIF(write_list_waiting) {
    (void)argc;
    struct db *handle;
    unsigned count;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    if (!enif_get_list_length(env, argv[1], &count)) return atoms.invalid_argument_;
    struct packed packed;
    ERL_NIF_TERM answer;
    switch (pack(env, argv[1], count, false, &packed)) {
    case PACKED: {
        warp_db *db = db_enter(handle);
        answer = db ? packed_answer(env, db, packed.bytes, packed.used) : fail_closed(env);
        if (db) db_leave(handle);
        break;
    }
    case NO_MEMORY:
        answer = fail_memory(env);
        break;
    default:
        answer = atoms.invalid_argument_;
    }
    enif_free(packed.bytes);
    return answer;
}

/* Writes what is packed, unless that might wait. */
static ERL_NIF_TERM write_here(ErlNifEnv *env, struct db *handle, const ERL_NIF_TERM argv[],
                               const struct packed *packed) {
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    ERL_NIF_TERM answer =
        is_dirty(handle, db, packed->bytes, packed->used)
            ? enif_schedule_nif(env, "write_list", ERL_NIF_DIRTY_JOB_IO_BOUND, write_list_waiting,
                                2, argv)
            : packed_answer(env, db, packed->bytes, packed->used);
    db_leave(handle);
    return answer;
}

/* write_list(db, operations): as write; :invalid_argument for a list that holds anything else. */
NIF(nif_write_list) {
    struct db *handle;
    unsigned count;
    size_t nanoseconds;
    if (!arg_db(env, argv[0], &handle)) return enif_make_badarg(env);
    if (!enif_get_list_length(env, argv[1], &count)) return atoms.invalid_argument_;
    struct packed packed = {0};
    ERL_NIF_TERM answer;
    switch (takes_long(count, 0, &nanoseconds) ? TAKES_LONG
                                               : pack(env, argv[1], count, true, &packed)) {
    case PACKED:
        answer = write_here(env, handle, argv, &packed);
        takes_long(count, packed.used, &nanoseconds);
        charge(env, nanoseconds);
        break;
    case TAKES_LONG:
        answer = enif_schedule_nif(env, "write_list", ERL_NIF_DIRTY_JOB_IO_BOUND,
                                   write_list_waiting, argc, argv);
        break;
    case NO_MEMORY:
        answer = fail_memory(env);
        break;
    default:
        answer = atoms.invalid_argument_;
    }
    enif_free(packed.bytes);
    return answer;
}
