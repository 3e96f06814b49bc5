/*
 * Links: keys that are read together. All of it is dirty: a link is written to a file, and a read
 * of a key with its partners may wait for the disk.
 */
#include "nif.h"
#include <string.h>

/* The two keys that a link is between. */
struct ends {
    struct db *handle;
    ErlNifBinary from, to;
};

static bool parse(ErlNifEnv *env, const ERL_NIF_TERM argv[], struct ends *ends) {
    return arg_db(env, argv[0], &ends->handle) && enif_inspect_binary(env, argv[1], &ends->from) &&
           enif_inspect_binary(env, argv[2], &ends->to);
}

NIF(nif_link) {
    (void)argc;
    struct ends ends;
    double strength;
    if (!parse(env, argv, &ends) || !enif_get_double(env, argv[3], &strength)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(ends.handle);
    if (!db) return fail_closed(env);
    warp_status status = warp_link(db, ends.from.data, ends.from.size, ends.to.data, ends.to.size,
                                   strength);
    ERL_NIF_TERM answer = status == WARP_OK ? atoms.ok_ : fail(env, status);
    db_leave(ends.handle);
    return answer;
}

NIF(nif_unlink) {
    (void)argc;
    struct ends ends;
    if (!parse(env, argv, &ends)) return enif_make_badarg(env);
    warp_db *db = db_enter(ends.handle);
    if (!db) return fail_closed(env);
    warp_status status =
        warp_unlink(db, ends.from.data, ends.from.size, ends.to.data, ends.to.size);
    ERL_NIF_TERM answer = status == WARP_OK          ? atoms.ok_
                          : status == WARP_NOT_FOUND ? atoms.not_found_
                                                     : fail(env, status);
    db_leave(ends.handle);
    return answer;
}

static bool slice_term(ErlNifEnv *env, const warp_slice *slice, ERL_NIF_TERM *term) {
    unsigned char *bytes = enif_make_new_binary(env, slice->len, term);
    if (bytes && slice->len > 0) memcpy(bytes, slice->data, slice->len);
    return bytes != NULL;
}

/* {Key, Value, Strength}, or {Key, Strength} without `values`. */
static bool linked_term(ErlNifEnv *env, const warp_linked *linked, size_t i, bool values,
                        ERL_NIF_TERM *term) {
    warp_slice key, value;
    double strength;
    ERL_NIF_TERM key_bytes, value_bytes;
    warp_linked_at(linked, i, &key, &value, &strength);
    ERL_NIF_TERM strength_term = enif_make_double(env, strength);
    if (!slice_term(env, &key, &key_bytes)) return false;
    if (!values) {
        *term = enif_make_tuple2(env, key_bytes, strength_term);
        return true;
    }
    if (!slice_term(env, &value, &value_bytes)) return false;
    *term = enif_make_tuple3(env, key_bytes, value_bytes, strength_term);
    return true;
}

static ERL_NIF_TERM linked_list(ErlNifEnv *env, const warp_linked *linked, bool values) {
    ERL_NIF_TERM list = enif_make_list(env, 0), term;
    for (size_t i = warp_linked_count(linked); i-- > 0;) {
        if (!linked_term(env, linked, i, values, &term)) return fail_memory(env);
        list = enif_make_list_cell(env, term, list);
    }
    return enif_make_tuple2(env, atoms.ok_, list);
}

/* partners(db, key): {ok, list}, whether they exist or not */
NIF(nif_partners) {
    (void)argc;
    struct db *handle;
    ErlNifBinary key;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &key)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_linked *linked = NULL;
    warp_status status = warp_partners(db, key.data, key.size, &linked);
    ERL_NIF_TERM answer =
        status == WARP_OK ? linked_list(env, linked, false) : fail(env, status);
    db_leave(handle);
    warp_linked_free(linked);
    return answer;
}

/* get_linked(db, key, values): {ok, list}, the key itself first; not_found */
NIF(nif_get_linked) {
    (void)argc;
    struct db *handle;
    ErlNifBinary key;
    if (!arg_db(env, argv[0], &handle) || !enif_inspect_binary(env, argv[1], &key)) {
        return enif_make_badarg(env);
    }
    warp_db *db = db_enter(handle);
    if (!db) return fail_closed(env);
    warp_linked *linked = NULL;
    ERL_NIF_TERM answer;
    warp_status status = warp_get_linked(db, key.data, key.size, &linked);
    if (status == WARP_OK) {
        answer = linked_list(env, linked, argv[2] == atoms.true_);
    } else {
        answer = status == WARP_NOT_FOUND ? atoms.not_found_ : fail(env, status);
    }
    db_leave(handle);
    warp_linked_free(linked);
    return answer;
}
