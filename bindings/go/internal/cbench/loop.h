#ifndef WARP_GO_CBENCH_LOOP_H
#define WARP_GO_CBENCH_LOOP_H

#include <stddef.h>

/* Returns a status of the C ABI. */
int cbench_run(int call, long n, size_t value_len, double *ns_a_call);

#endif
