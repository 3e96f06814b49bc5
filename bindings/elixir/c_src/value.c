/*
 * Values handed to the emulator.
 *
 * A small value is copied into a binary of its own. A large one may be pinned instead: the binary
 * points into the engine's memory, and a resource keeps the value until the last reference to the
 * binary (or to a part of it) is gone. Pinned values outlive their database.
 *
 * Strings of the library (JSON, OpenMetrics) are copied and freed at once.
 */
#include "nif.h"
#include <string.h>

struct value {
    warp_value pinned;
};

void value_destroy(ErlNifEnv *env, void *object) {
    (void)env;
    struct value *value = object;
    reap_value(&value->pinned);
}

bool pinned_term(ErlNifEnv *env, warp_value *value, ERL_NIF_TERM *term) {
    struct value *holder = enif_alloc_resource(value_type, sizeof *holder);
    if (!holder) {
        reap_value(value);
        *value = (warp_value){0};
        return false;
    }
    holder->pinned = *value;
    *value = (warp_value){0};
    *term = enif_make_resource_binary(env, holder, holder->pinned.data, holder->pinned.len);
    enif_release_resource(holder);
    return true;
}

bool value_term(ErlNifEnv *env, warp_value *value, bool pin, ERL_NIF_TERM *term) {
    if (pin && value->len >= PIN_MIN) return pinned_term(env, value, term);
    unsigned char *bytes = enif_make_new_binary(env, value->len, term);
    if (bytes && value->len > 0) memcpy(bytes, value->data, value->len);
    warp_value_release(value);
    return bytes != NULL;
}

ERL_NIF_TERM string_answer(ErlNifEnv *env, warp_status status, char **string) {
    if (status != WARP_OK) return fail(env, status);
    size_t len = strlen(*string);
    ERL_NIF_TERM term;
    unsigned char *bytes = enif_make_new_binary(env, len, &term);
    if (bytes) memcpy(bytes, *string, len);
    warp_string_free(*string);
    return bytes ? enif_make_tuple2(env, atoms.ok_, term) : fail_memory(env);
}
