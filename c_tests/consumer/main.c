/* What a user's program is: compiled and linked against the installed tree alone. */
#include <stdio.h>
#include <string.h>
#include <warp_engine.h>

#ifdef WITH_OTHER_RUST_LIBRARY
int other_rust_library(void);
#endif

int main(void) {
    warp_db *db;
    char buf[8];
    size_t len = 0;
    if (warp_abi_version() != WARP_ABI_VERSION || warp_open(NULL, NULL, &db) != WARP_OK ||
        warp_put(db, "k", 1, "value", 5) != WARP_OK ||
        warp_get(db, "k", 1, buf, sizeof buf, &len) != WARP_OK || len != 5 ||
        memcmp(buf, "value", 5) != 0 || warp_close(db) != WARP_OK) {
        fprintf(stderr, "%s\n", warp_last_error());
        return 1;
    }
#ifdef WITH_OTHER_RUST_LIBRARY
    if (other_rust_library() != 42) {
        return 1;
    }
#endif
    printf("warp_engine %s\n", warp_version());
    return 0;
}
