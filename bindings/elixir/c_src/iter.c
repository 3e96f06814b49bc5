/*
 * Iterators, read a page at a time: one call for hundreds of entries, in a binary that the Elixir
 * side takes apart. Always on dirty schedulers, since a page may come from the disk.
 *
 * An engine iterator belongs to one thread at a time, so each has a lock. It is held for a page,
 * by a dirty scheduler, and only processes that share one iterator ever wait for it.
 */
#include "nif.h"

struct iter {
    warp_iter *handle; /* NULL: closed */
    ErlNifMutex *lock;
};

void iter_destroy(ErlNifEnv *env, void *object) {
    (void)env;
    struct iter *iter = object;
    if (iter->handle) reap_iter(iter->handle);
    if (iter->lock) enif_mutex_destroy(iter->lock);
}

static bool arg_iter(ErlNifEnv *env, ERL_NIF_TERM term, struct iter **iter) {
    return enif_get_resource(env, term, iter_type, (void **)iter);
}

NIF(nif_iter_new) {
    (void)argc;
    struct db *handle;
    ErlNifBinary prefix;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &prefix)) {
        return enif_make_badarg(env);
    }
    struct iter *iter = enif_alloc_resource(iter_type, sizeof *iter);
    if (!iter) return fail_memory(env);
    *iter = (struct iter){.lock = enif_mutex_create("warp_iter")};
    warp_db *db = iter->lock ? db_enter(handle) : NULL;
    ERL_NIF_TERM answer;
    if (db) {
        warp_status status = warp_iter_new(db, prefix.data, prefix.size, &iter->handle);
        answer = status == WARP_OK
                     ? enif_make_tuple2(env, atoms.ok_, enif_make_resource(env, iter))
                     : fail(env, status);
        db_leave(handle);
    } else {
        answer = iter->lock ? fail_closed(env) : fail_memory(env);
    }
    enif_release_resource(iter);
    return answer;
}

/* Fills a binary with a page of `size` bytes, or of as many as the next entry alone needs. */
static warp_status read_page(warp_iter *iter, size_t size, ErlNifBinary *page, size_t *used,
                             size_t *count) {
    warp_status status = WARP_BUFFER_TOO_SMALL;
    *used = size;
    while (status == WARP_BUFFER_TOO_SMALL) {
        size_t room = *used;
        if (!enif_alloc_binary(room, page)) return WARP_ERR_OUT_OF_MEMORY;
        *used = *count = 0;
        status = warp_iter_next_page(iter, page->data, room, used, count);
        if (status != WARP_OK) enif_release_binary(page);
        if (status == WARP_BUFFER_TOO_SMALL && *used <= room) return WARP_ERR_INTERNAL;
    }
    return status;
}

NIF(nif_iter_next_page) {
    (void)argc;
    struct iter *iter;
    ErlNifUInt64 size;
    ErlNifBinary page;
    size_t used, count;
    if (!arg_iter(env, argv[0], &iter) || !enif_get_uint64(env, argv[1], &size) || size == 0) {
        return enif_make_badarg(env);
    }
    ERL_NIF_TERM answer;
    enif_mutex_lock(iter->lock);
    if (!iter->handle) {
        answer = fail_with(env, atoms.closed_, WARP_ERR_INVALID_ARGUMENT, "the iterator is closed");
    } else {
        warp_status status = read_page(iter->handle, size, &page, &used, &count);
        if (status == WARP_OK && count > 0) {
            if (used < page.size) enif_realloc_binary(&page, used);
            answer = enif_make_tuple2(env, atoms.ok_, enif_make_binary(env, &page));
        } else if (status == WARP_OK) {
            enif_release_binary(&page);
            answer = atoms.done_;
        } else {
            answer = status == WARP_NOT_FOUND ? atoms.done_ : fail(env, status);
        }
    }
    enif_mutex_unlock(iter->lock);
    return answer;
}

NIF(nif_iter_close) {
    (void)argc;
    struct iter *iter;
    if (!arg_iter(env, argv[0], &iter)) return enif_make_badarg(env);
    enif_mutex_lock(iter->lock);
    warp_iter *handle = iter->handle;
    iter->handle = NULL;
    enif_mutex_unlock(iter->lock);
    warp_iter_free(handle);
    return atoms.ok_;
}
