// What both shims offer: a store behind plain C functions that copy nothing they need not copy.
// A result below zero is a failure, whose text `PREFIX_error()` has for the calling thread.
#ifndef COMPARE_SHIM_H
#define COMPARE_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <string>

// Called for each record found. Returns false to stop.
typedef bool (*shim_each)(void *context, const char *key, size_t key_len, const char *value,
                          size_t value_len);

// One operation of a batch: a delete if value is NULL.
struct shim_pair {
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};

static const int64_t SHIM_NOT_FOUND = -1;
static const int64_t SHIM_FAILED = -2;

#endif
