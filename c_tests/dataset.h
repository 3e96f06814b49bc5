/* The data set that every language writes and every other language reads; the rules are in
 * tests/conformance/README.md. Each function returns 0, or 1 after it printed what is wrong. */
#ifndef WARP_TEST_DATASET_H
#define WARP_TEST_DATASET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <warp_engine.h>

#define DATASET_INDICES 3000u
#define DATASET_BLOCK 100u
#define DATASET_SHARDS 5u
/* What tests/conformance/dataset.py prints. */
#define DATASET_KEYS 2546u
#define DATASET_DIGEST UINT64_C(0x2b20ddfbe9d6b535)
#define DATASET_KEY_MAX 520u
#define DATASET_VALUE_MAX (3u << 20)
#define DATASET_DELETED (-1)

/* The SplitMix64 step: 64 well-mixed bits of a number. */
static uint64_t dataset_mix(uint64_t x) {
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static size_t dataset_key(uint64_t i, char *key) {
    uint64_t m = dataset_mix(i);
    size_t n, k;
    switch (i % 4) {
    case 0:
        return (size_t)snprintf(key, DATASET_KEY_MAX, "key-%u", (unsigned)i);
    case 1:
        for (n = 0; n < 8; n++) key[n] = (char)(m >> (8 * n) & 0xFF);
        return 8;
    case 2:
        key[0] = '\0';
        n = 1 + (size_t)snprintf(key + 1, DATASET_KEY_MAX - 1, "%u", (unsigned)i);
        key[n] = '\xff';
        return n + 1;
    default:
        k = (size_t)(m % 500);
        memset(key, 'k', k);
        return k + (size_t)snprintf(key + k, DATASET_KEY_MAX - k, "-%u", (unsigned)i);
    }
}

static size_t dataset_value(uint64_t i, int generation, unsigned char *value) {
    uint64_t s = dataset_mix(8 * i + (uint64_t)generation);
    uint64_t len = i == 1000 ? DATASET_VALUE_MAX : i % 250 == 249 ? 60000 + 37 * i : s % 400;
    uint64_t j;
    for (j = 0; j < len; j++) value[j] = (unsigned char)(((s >> 16) + 7 * j + (j >> 8)) & 0xFF);
    return (size_t)len;
}

/* The generation of a key before the compare-and-swaps of the last step. */
static int dataset_generation_before(uint64_t i) {
    if (i % 13 == 0 || i % 11 == 0) return DATASET_DELETED;
    return i % 7 == 0 ? 2 : i % 5 == 0 ? 1 : 0;
}

/* The generation that a key ends with. */
static int dataset_generation(uint64_t i) {
    return i % 17 == 0 ? 3 : dataset_generation_before(i);
}

static int dataset_fail(const char *what, uint64_t i) {
    fprintf(stderr, "data set: %s %u: %s\n", what, (unsigned)i, warp_last_error());
    return 1;
}

static warp_db *dataset_open(const char *dir, const char *const (*settings)[2]) {
    warp_options *options = warp_options_new();
    warp_db *db = NULL;
    warp_status status = WARP_OK;
    for (; status == WARP_OK && (*settings)[0] != NULL; settings++) {
        status = warp_options_set(options, (*settings)[0], (*settings)[1]);
    }
    if (status == WARP_OK) status = warp_open(dir, options, &db);
    warp_options_free(options);
    if (status != WARP_OK) dataset_fail("open", 0);
    return db;
}

/* Appends one operation in the packed form. */
static void dataset_pack(unsigned char *packed, size_t *used, const char *key, size_t key_len,
                         const unsigned char *value, size_t value_len) {
    size_t lengths[2], n;
    lengths[0] = key_len;
    lengths[1] = value_len;
    packed[(*used)++] = value == NULL ? 2 : 1;
    for (n = 0; n < 8; n++) {
        packed[(*used)++] = (unsigned char)(lengths[n / 4] >> (8 * (n % 4)) & 0xFF);
    }
    memcpy(packed + *used, key, key_len);
    *used += key_len;
    if (value_len > 0) memcpy(packed + *used, value, value_len);
    *used += value_len;
}

/* One batch for 100 indices; the packed form for every other one. */
static int dataset_write_block(warp_db *db, uint64_t block, unsigned char *value,
                               unsigned char *packed) {
    char key[DATASET_KEY_MAX];
    size_t used = 0;
    warp_batch *batch = warp_batch_new();
    warp_status status = WARP_OK;
    uint64_t i = block * DATASET_BLOCK;
    for (; i < (block + 1) * DATASET_BLOCK && status == WARP_OK; i++) {
        size_t key_len = dataset_key(i, key);
        if (i % 7 == 0) {
            size_t len = dataset_value(i, 2, value);
            status = warp_batch_put(batch, key, key_len, value, len);
            dataset_pack(packed, &used, key, key_len, value, len);
        }
        if (i % 11 == 0 && status == WARP_OK) {
            status = warp_batch_delete(batch, key, key_len);
            dataset_pack(packed, &used, key, key_len, NULL, 0);
        }
    }
    if (status == WARP_OK) {
        status = block % 2 == 0 ? warp_write(db, batch) : warp_write_encoded(db, packed, used);
    }
    warp_batch_free(batch);
    return status == WARP_OK ? 0 : dataset_fail("block", block);
}

static int dataset_swap(warp_db *db, uint64_t i, unsigned char *value, unsigned char *other) {
    char key[DATASET_KEY_MAX];
    size_t key_len = dataset_key(i, key);
    int before = dataset_generation_before(i);
    warp_slice expected, desired;
    expected.data = value;
    expected.len = before == DATASET_DELETED ? 0 : dataset_value(i, before, value);
    desired.data = other;
    desired.len = dataset_value(i, 3, other);
    if (warp_compare_and_swap(db, key, key_len, before == DATASET_DELETED ? NULL : &expected,
                              &desired) != WARP_OK) {
        return dataset_fail("compare and swap", i);
    }
    return 0;
}

static int dataset_fill(warp_db *db, unsigned char *value, unsigned char *packed) {
    char key[DATASET_KEY_MAX];
    uint64_t i;
    int generation;
    for (generation = 0; generation < 2; generation++) {
        for (i = 0; i < DATASET_INDICES; i += generation == 0 ? 1 : 5) {
            size_t len = dataset_value(i, generation, value);
            if (warp_put(db, key, dataset_key(i, key), value, len) != WARP_OK) {
                return dataset_fail("put", i);
            }
        }
    }
    if (warp_checkpoint(db) != WARP_OK) return dataset_fail("checkpoint", 0);
    for (i = 0; i < DATASET_INDICES / DATASET_BLOCK; i++) {
        if (dataset_write_block(db, i, value, packed) != 0) return 1;
    }
    for (i = 0; i < DATASET_INDICES; i += 13) {
        warp_status wanted = i % 11 == 0 ? WARP_NOT_FOUND : WARP_OK;
        if (warp_delete(db, key, dataset_key(i, key)) != wanted) return dataset_fail("delete", i);
    }
    for (i = 0; i < DATASET_INDICES; i += 17) {
        if (dataset_swap(db, i, value, packed) != 0) return 1;
    }
    return warp_sync(db) == WARP_OK ? 0 : dataset_fail("sync", 0);
}

/* Creates the data set in `dir`, which must not exist. */
static int dataset_write(const char *dir) {
    static const char *const settings[][2] = {{"shards", "5"},
                                              {"durability", "process"},
                                              {"error_if_exists", "true"},
                                              {NULL, NULL}};
    warp_db *db = dataset_open(dir, settings);
    unsigned char *value = (unsigned char *)malloc(DATASET_VALUE_MAX);
    unsigned char *packed = (unsigned char *)malloc(2 * DATASET_VALUE_MAX);
    int failed = db == NULL || value == NULL || packed == NULL || dataset_fill(db, value, packed);
    free(value);
    free(packed);
    if (warp_close(db) != WARP_OK) failed = dataset_fail("close", 0);
    return failed;
}

/* What reading the data set has come to. */
typedef struct {
    uint64_t keys;   /* that were found under their name */
    uint64_t digest; /* FNV-1a of them and their values */
} dataset_sum;

static void dataset_hash(dataset_sum *sum, const void *data, size_t len) {
    const unsigned char *bytes = (const unsigned char *)data;
    size_t n;
    for (n = 0; n < len; n++) sum->digest = (sum->digest ^ bytes[n]) * UINT64_C(0x100000001B3);
}

static int dataset_check_keys(warp_db *db, unsigned char *value, dataset_sum *sum) {
    char key[DATASET_KEY_MAX];
    uint64_t i;
    for (i = 0; i < DATASET_INDICES; i++) {
        int generation = dataset_generation(i);
        size_t key_len = dataset_key(i, key), len;
        warp_value got = {0};
        warp_status status = warp_get_pinned(db, key, key_len, &got);
        int good = status == (generation == DATASET_DELETED ? WARP_NOT_FOUND : WARP_OK);
        if (good && status == WARP_OK) {
            len = dataset_value(i, generation, value);
            good = got.len == len && (len == 0 || memcmp(got.data, value, len) == 0);
            dataset_hash(sum, key, key_len);
            dataset_hash(sum, value, len);
            sum->keys++;
        }
        warp_value_release(&got);
        if (!good) return dataset_fail("get", i);
    }
    return 0;
}

/* The iterator gives as many entries as there are keys, each with the value that a get gives. The
 * keys of an iterator are distinct only if a sum over them agrees with one over the names. */
static int dataset_check_iterator(warp_db *db, uint64_t keys) {
    warp_iter *iter = NULL;
    warp_slice key, value;
    uint64_t entries = 0, names = 0, i;
    char name[DATASET_KEY_MAX];
    warp_status status = warp_iter_new(db, NULL, 0, &iter);
    while (status == WARP_OK && (status = warp_iter_next(iter, &key, &value)) == WARP_OK) {
        warp_value got = {0};
        dataset_sum one = {0, UINT64_C(0xCBF29CE484222325)};
        int same = warp_get_pinned(db, key.data, key.len, &got) == WARP_OK &&
                   got.len == value.len &&
                   (got.len == 0 || memcmp(got.data, value.data, got.len) == 0);
        warp_value_release(&got);
        if (!same) status = WARP_ERR_CORRUPTION;
        dataset_hash(&one, key.data, key.len);
        names += dataset_mix(one.digest);
        entries++;
    }
    warp_iter_free(iter);
    for (i = 0; i < DATASET_INDICES; i++) {
        dataset_sum one = {0, UINT64_C(0xCBF29CE484222325)};
        if (dataset_generation(i) == DATASET_DELETED) continue;
        dataset_hash(&one, name, dataset_key(i, name));
        names -= dataset_mix(one.digest);
    }
    if (status != WARP_NOT_FOUND || entries != keys || names != 0) {
        return dataset_fail("iterator, entry", entries);
    }
    return 0;
}

static int dataset_check_stats(warp_db *db) {
    warp_statistics stats;
    memset(&stats, 0, sizeof stats);
    stats.struct_size = sizeof stats;
    if (warp_stats(db, &stats) != WARP_OK || stats.keys != DATASET_KEYS) {
        return dataset_fail("statistics, keys", stats.keys);
    }
    return stats.shards == DATASET_SHARDS ? 0 : dataset_fail("statistics, shards", stats.shards);
}

/* Checks every key and value of the data set in `dir`, changes nothing, prints the summary. */
static int dataset_read(const char *dir) {
    static const char *const settings[][2] = {{"read_only", "true"}, {NULL, NULL}};
    dataset_sum sum = {0, UINT64_C(0xCBF29CE484222325)};
    warp_db *db = dataset_open(dir, settings);
    unsigned char *value = (unsigned char *)malloc(DATASET_VALUE_MAX);
    int failed = db == NULL || value == NULL || dataset_check_keys(db, value, &sum) ||
                 dataset_check_iterator(db, sum.keys) || dataset_check_stats(db);
    free(value);
    if (warp_close(db) != WARP_OK) failed = dataset_fail("close", 0);
    if (failed) return 1;
    printf("%u keys, digest %08x%08x\n", (unsigned)sum.keys, (unsigned)(sum.digest >> 32),
           (unsigned)(sum.digest & 0xFFFFFFFFu));
    return sum.keys == DATASET_KEYS && sum.digest == DATASET_DIGEST ? 0 : dataset_fail("sum", 0);
}

#endif
