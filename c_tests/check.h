/* The whole test framework: a check that does not hold ends the program with its place. It works
 * under NDEBUG too, so the tests check the same in every flavour. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warp_engine.h"

#define CHECK(condition)                                                               \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
            fprintf(stderr, "  last error: %s\n", warp_last_error());                  \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

#define CHECK_STATUS(call, expected)                                                   \
    do {                                                                               \
        const warp_status got_ = (call), want_ = (expected);                           \
        if (got_ != want_) {                                                           \
            fprintf(stderr, "%s:%d: %s\n  gave %s, expected %s\n  last error: %s\n",   \
                    __FILE__, __LINE__, #call, warp_status_name(got_),                 \
                    warp_status_name(want_), warp_last_error());                       \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

#define CHECK_TEXT(text) CHECK(strstr(warp_last_error(), (text)) != NULL)

#endif
