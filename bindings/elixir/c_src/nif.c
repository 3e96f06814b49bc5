/*
 * The table of functions, and loading.
 *
 * Code upgrade: a new version of the module takes the resource types over, so handles made by the
 * old code go on working, and are destroyed by the new. That is sound while both versions agree on
 * the layout of the resources. The types carry a layout number for that: whoever changes `struct
 * db`, `struct value` or `struct iter` counts LAYOUT up, and the new code then refuses old handles
 * (ArgumentError) instead of misreading them.
 */
#include "nif.h"
#include <string.h>

#define LAYOUT "1"

struct atoms atoms;
ErlNifResourceType *db_type;
ErlNifResourceType *value_type;
ErlNifResourceType *iter_type;

static void make_atoms(ErlNifEnv *env) {
#define X(name) atoms.name##_ = enif_make_atom(env, #name);
    WARP_ATOMS(X)
#undef X
    atoms.struct_key = enif_make_atom(env, "__struct__");
    atoms.exception_key = enif_make_atom(env, "__exception__");
    atoms.error_module = enif_make_atom(env, "Elixir.WarpEngine.Native.Error");
}

static ErlNifResourceType *open_type(ErlNifEnv *env, const char *name, ErlNifResourceDtor *dtor) {
    ErlNifResourceFlags flags = ERL_NIF_RT_CREATE | ERL_NIF_RT_TAKEOVER;
    return enif_open_resource_type(env, NULL, name, dtor, flags, NULL);
}

static int prepare(ErlNifEnv *env) {
    if (warp_abi_version() != WARP_ABI_VERSION) return 1;
    make_atoms(env);
    db_type = open_type(env, "warp_db." LAYOUT, db_destroy);
    value_type = open_type(env, "warp_value." LAYOUT, value_destroy);
    iter_type = open_type(env, "warp_iter." LAYOUT, iter_destroy);
    if (!db_type || !value_type || !iter_type) return 2;
    return reaper_init() ? 0 : 3;
}

static int load(ErlNifEnv *env, void **private_data, ERL_NIF_TERM info) {
    (void)private_data;
    (void)info;
    return prepare(env);
}

static int upgrade(ErlNifEnv *env, void **private_data, void **old_data, ERL_NIF_TERM info) {
    (void)private_data;
    (void)old_data;
    (void)info;
    return prepare(env);
}

#define DIRTY ERL_NIF_DIRTY_JOB_IO_BOUND
#define DIRTY_CPU ERL_NIF_DIRTY_JOB_CPU_BOUND

static ErlNifFunc functions[] = {
    {"open", 2, nif_open, DIRTY},
    {"close", 1, nif_close, DIRTY},
    {"get", 3, nif_get, 0},
    {"get_unless", 3, nif_get_unless, 0},
    {"get_if_changed", 3, nif_get_if_changed, 0},
    {"exists", 2, nif_exists, 0},
    {"multi_get", 3, nif_multi_get, 0},
    {"put", 3, nif_put, 0},
    {"put_hinted", 4, nif_put, 0},
    {"delete", 2, nif_delete, 0},
    {"compare_and_swap", 4, nif_compare_and_swap, 0},
    {"write", 3, nif_write, 0},
    {"write_list", 2, nif_write_list, 0},
    {"iter_new", 2, nif_iter_new, DIRTY},
    {"iter_next_page", 2, nif_iter_next_page, DIRTY},
    {"iter_close", 1, nif_iter_close, DIRTY},
    {"sync", 1, nif_sync, DIRTY},
    {"token", 1, nif_token, 0},
    {"wait_durable", 3, nif_wait_durable, DIRTY},
    {"is_durable", 2, nif_is_durable, 0},
    {"checkpoint", 1, nif_checkpoint, DIRTY},
    {"compact", 1, nif_compact, DIRTY},
    {"backup", 2, nif_backup, DIRTY},
    {"stats", 1, nif_stats, DIRTY_CPU},
    {"stats_json", 1, nif_stats_json, DIRTY_CPU},
    {"openmetrics", 1, nif_openmetrics, DIRTY_CPU},
    {"events_json", 2, nif_events_json, DIRTY_CPU},
    {"link", 4, nif_link, DIRTY},
    {"unlink", 3, nif_unlink, DIRTY},
    {"get_linked", 3, nif_get_linked, DIRTY},
    {"partners", 2, nif_partners, DIRTY},
    {"add_rule", 3, nif_add_rule, DIRTY},
    {"remove_rule", 2, nif_remove_rule, DIRTY},
    {"rules_json", 1, nif_rules_json, DIRTY},
    {"shard_of", 2, nif_shard_of, 0},
    {"shard_cpu", 2, nif_shard_cpu, 0},
    {"rebalance", 1, nif_rebalance, DIRTY},
    {"move_slot", 3, nif_move_slot, DIRTY},
    {"version", 0, nif_version, 0},
    {"bench", 4, nif_bench, DIRTY_CPU},
};

ERL_NIF_INIT(Elixir.WarpEngine.Native.Nif, functions, load, NULL, upgrade, NULL)
