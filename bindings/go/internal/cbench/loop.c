#define _POSIX_C_SOURCE 200809L

#include "loop.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <warp_engine.h>

/* The same figures as in cbench.go. */
enum { KEYS = 1024, KEY_LEN = 16, BATCH_LEN = 100, OP_HEADER = 9 };

struct bench {
    warp_db *db;
    char (*keys)[KEY_LEN + 1];
    unsigned char *value, *packed;
    size_t value_len, packed_len;
};

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void put_u32(unsigned char *to, uint32_t x) {
    to[0] = (unsigned char)x;
    to[1] = (unsigned char)(x >> 8);
    to[2] = (unsigned char)(x >> 16);
    to[3] = (unsigned char)(x >> 24);
}

static void pack(struct bench *b) {
    unsigned char *at = b->packed;
    int i;
    for (i = 0; i < BATCH_LEN; i++) {
        *at = WARP_PACKED_PUT;
        put_u32(at + 1, KEY_LEN);
        put_u32(at + 5, (uint32_t)b->value_len);
        memcpy(at + OP_HEADER, b->keys[i], KEY_LEN);
        memcpy(at + OP_HEADER + KEY_LEN, b->value, b->value_len);
        at += OP_HEADER + KEY_LEN + b->value_len;
    }
}

static warp_status fill(struct bench *b, size_t value_len) {
    int i;
    b->value_len = value_len;
    b->packed_len = BATCH_LEN * (OP_HEADER + KEY_LEN + value_len);
    b->keys = malloc(KEYS * sizeof *b->keys);
    b->value = malloc(value_len + 1);
    b->packed = malloc(b->packed_len);
    if (b->keys == NULL || b->value == NULL || b->packed == NULL) return WARP_ERR_OUT_OF_MEMORY;
    memset(b->value, 'v', value_len + 1);
    for (i = 0; i < KEYS; i++) {
        warp_status status;
        snprintf(b->keys[i], sizeof b->keys[i], "key:%012d", i);
        status = warp_put(b->db, b->keys[i], KEY_LEN, b->value, value_len);
        if (status != WARP_OK) return status;
    }
    pack(b);
    return WARP_OK;
}

static warp_status loop(struct bench *b, int call, long n) {
    warp_status status = WARP_OK;
    long i;
    size_t len;
    warp_value pinned;
    for (i = 0; i < n && status == WARP_OK; i++) {
        const char *key = b->keys[i % KEYS];
        switch (call) {
        case 0:
            status = warp_get(b->db, key, KEY_LEN, b->value, b->value_len, &len);
            break;
        case 1:
            status = warp_get_pinned(b->db, key, KEY_LEN, &pinned);
            warp_value_release(&pinned);
            break;
        case 2:
            status = warp_put(b->db, key, KEY_LEN, b->value, b->value_len);
            break;
        case 3:
            pack(b);
            status = warp_write_encoded(b->db, b->packed, b->packed_len);
            break;
        default:
            status = WARP_ERR_INVALID_ARGUMENT;
        }
    }
    return status;
}

int cbench_run(int call, long n, size_t value_len, double *ns_a_call) {
    struct bench b;
    warp_status status;
    double start;
    memset(&b, 0, sizeof b);
    status = warp_open(NULL, NULL, &b.db);
    if (status == WARP_OK) status = fill(&b, value_len);
    start = now_ns();
    if (status == WARP_OK) status = loop(&b, call, n);
    *ns_a_call = (now_ns() - start) / (double)(n > 0 ? n : 1);
    warp_close(b.db);
    free(b.keys);
    free(b.value);
    free(b.packed);
    return status;
}
