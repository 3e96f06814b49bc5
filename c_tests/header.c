/* The header alone, twice, before anything else; compiled as C99 and as C++11. */
#include "warp_engine.h"
#include "warp_engine.h"

#if WARP_ERR_IO - WARP_OK != -2 || WARP_ABI_VERSION < 0
#error "constants are usable by the preprocessor"
#endif

int main(void) {
    return warp_abi_version() == WARP_ABI_VERSION ? 0 : 1;
}
