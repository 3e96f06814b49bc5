/* The data set of the demo: UnicodeData.txt as keys and values, in memory.
 *
 * A line "0041;LATIN CAPITAL LETTER A;Lu;…" becomes the key "U+0041" and the value
 * "LATIN CAPITAL LETTER A;Lu;…". Records are numbered from 0 in the order of the file, which is
 * the order of the code points.
 */
#ifndef DEMO_DATASET_H
#define DEMO_DATASET_H

#include <stddef.h>

#define KEY_SIZE 16 /* "U+10FFFF" and its terminator fit */

struct record {
    unsigned long code_point;
    char key[KEY_SIZE];
    size_t key_len;
    const char *value; /* not terminated; points into the data set's text */
    size_t value_len;
};

struct dataset {
    char *text;
    struct record *records;
    size_t count;
};

/* Reads the file, or prints what is wrong with it and ends the program with 2. */
struct dataset dataset_read(const char *path);

void dataset_free(struct dataset *);

/* The record with these key bytes, or NULL. */
const struct record *dataset_find(const struct dataset *, const void *key, size_t key_len);

#endif
