/* Prints abi/layout.txt as the compiler sees the header; CTest compares the two. */
#include "warp_engine.h"

#include <stddef.h>
#include <stdio.h>

#define CONSTANT(name) printf("%s %d\n", #name, (int)(name))
#define TYPE(type)                                                                     \
    struct type##_aligned { char c; type t; };                                         \
    printf("%s size %zu align %zu\n", #type, sizeof(type),                             \
           offsetof(struct type##_aligned, t))
#define FIELD(type, field) printf("  %s %zu\n", #field, offsetof(type, field))

int main(void) {
    CONSTANT(WARP_ABI_VERSION);
    CONSTANT(WARP_OK);
    CONSTANT(WARP_NOT_FOUND);
    CONSTANT(WARP_BUFFER_TOO_SMALL);
    CONSTANT(WARP_CONFLICT);
    CONSTANT(WARP_WOULD_BLOCK);
    CONSTANT(WARP_UNCHANGED);
    CONSTANT(WARP_ERR_INVALID_ARGUMENT);
    CONSTANT(WARP_ERR_IO);
    CONSTANT(WARP_ERR_CORRUPTION);
    CONSTANT(WARP_ERR_BUSY);
    CONSTANT(WARP_ERR_TIMEOUT);
    CONSTANT(WARP_ERR_NO_SPACE);
    CONSTANT(WARP_ERR_READ_ONLY);
    CONSTANT(WARP_ERR_TOO_LARGE);
    CONSTANT(WARP_ERR_UNSUPPORTED);
    CONSTANT(WARP_ERR_OUT_OF_MEMORY);
    CONSTANT(WARP_ERR_INTERNAL);
    CONSTANT(WARP_PACKED_PUT);
    CONSTANT(WARP_PACKED_DELETE);
    CONSTANT(WARP_HOT);
    CONSTANT(WARP_WARM);
    CONSTANT(WARP_COLD);
    CONSTANT(WARP_RULE_PLACE);
    CONSTANT(WARP_RULE_LINK);
    TYPE(warp_status);
    TYPE(warp_slice);
    FIELD(warp_slice, data);
    FIELD(warp_slice, len);
    TYPE(warp_value);
    FIELD(warp_value, data);
    FIELD(warp_value, len);
    FIELD(warp_value, private_owner);
    FIELD(warp_value, private_process);
    TYPE(warp_statistics);
    FIELD(warp_statistics, struct_size);
    FIELD(warp_statistics, keys);
    FIELD(warp_statistics, puts);
    FIELD(warp_statistics, gets);
    FIELD(warp_statistics, hits);
    FIELD(warp_statistics, deletes);
    FIELD(warp_statistics, shards);
    FIELD(warp_statistics, log_bytes);
    FIELD(warp_statistics, live_bytes);
    FIELD(warp_statistics, index_bytes);
    FIELD(warp_statistics, cache_bytes);
    FIELD(warp_statistics, resident_bytes);
    FIELD(warp_statistics, checkpoints);
    FIELD(warp_statistics, recovered_records);
    FIELD(warp_statistics, open_micros);
    FIELD(warp_statistics, disk_bytes);
    FIELD(warp_statistics, syncs);
    return 0;
}
