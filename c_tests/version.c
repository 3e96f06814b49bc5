/* Version and status names. */
#include "check.h"

int main(void) {
    CHECK(warp_abi_version() == WARP_ABI_VERSION);
    CHECK(strcmp(warp_version(), WARP_EXPECTED_VERSION) == 0);

    CHECK(strcmp(warp_status_name(WARP_OK), "WARP_OK") == 0);
    CHECK(strcmp(warp_status_name(WARP_WOULD_BLOCK), "WARP_WOULD_BLOCK") == 0);
    CHECK(strcmp(warp_status_name(WARP_UNCHANGED), "WARP_UNCHANGED") == 0);
    CHECK(strcmp(warp_status_name(WARP_ERR_INTERNAL), "WARP_ERR_INTERNAL") == 0);
    for (warp_status s = -11; s <= 5; s++) {
        CHECK(strcmp(warp_status_name(s), "WARP_UNKNOWN") != 0);
    }
    CHECK(strcmp(warp_status_name(6), "WARP_UNKNOWN") == 0);
    CHECK(strcmp(warp_status_name(-12), "WARP_UNKNOWN") == 0);
    CHECK(strcmp(warp_status_name(INT32_MIN), "WARP_UNKNOWN") == 0);
    return 0;
}
