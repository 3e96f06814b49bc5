/*
 * Engine statuses as %WarpEngine.Native.Error{} structs, made here whole so that the Elixir side
 * hands answers through unchanged. The fields are those of lib/warp_engine/native/error.ex; a test
 * compares them.
 */
#include "nif.h"
#include <string.h>

static ERL_NIF_TERM reason_of(warp_status status) {
    switch (status) {
    case WARP_NOT_FOUND: return atoms.not_found_;
    case WARP_BUFFER_TOO_SMALL: return atoms.buffer_too_small_;
    case WARP_CONFLICT: return atoms.conflict_;
    case WARP_WOULD_BLOCK: return atoms.would_block_;
    case WARP_ERR_INVALID_ARGUMENT: return atoms.invalid_argument_;
    case WARP_ERR_IO: return atoms.io_;
    case WARP_ERR_CORRUPTION: return atoms.corruption_;
    case WARP_ERR_BUSY: return atoms.busy_;
    case WARP_ERR_TIMEOUT: return atoms.timeout_;
    case WARP_ERR_NO_SPACE: return atoms.no_space_;
    case WARP_ERR_READ_ONLY: return atoms.read_only_;
    case WARP_ERR_TOO_LARGE: return atoms.too_large_;
    case WARP_ERR_UNSUPPORTED: return atoms.unsupported_;
    case WARP_ERR_OUT_OF_MEMORY: return atoms.out_of_memory_;
    case WARP_ERR_INTERNAL: return atoms.internal_;
    default: return atoms.unknown_;
    }
}

ERL_NIF_TERM fail_with(ErlNifEnv *env, ERL_NIF_TERM reason, warp_status status, const char *text) {
    size_t len = strlen(text);
    ERL_NIF_TERM message;
    unsigned char *bytes = enif_make_new_binary(env, len, &message);
    if (len > 0) memcpy(bytes, text, len);
    ERL_NIF_TERM keys[] = {atoms.struct_key, atoms.exception_key, atoms.reason_, atoms.status_,
                           atoms.message_};
    ERL_NIF_TERM values[] = {atoms.error_module, atoms.true_, reason, enif_make_int(env, status),
                             message};
    ERL_NIF_TERM map;
    enif_make_map_from_arrays(env, keys, values, sizeof keys / sizeof *keys, &map);
    return enif_make_tuple2(env, atoms.error_, map);
}

ERL_NIF_TERM fail(ErlNifEnv *env, warp_status status) {
    return fail_with(env, reason_of(status), status, warp_last_error());
}

ERL_NIF_TERM fail_closed(ErlNifEnv *env) {
    return fail_with(env, atoms.closed_, WARP_ERR_INVALID_ARGUMENT, "the database is closed");
}

ERL_NIF_TERM fail_memory(ErlNifEnv *env) {
    return fail_with(env, atoms.out_of_memory_, WARP_ERR_OUT_OF_MEMORY,
                     "the emulator has no memory for the answer");
}
