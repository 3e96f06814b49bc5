/* WarpEngine from C: load a data set, be killed, prove that nothing acknowledged is gone.
 *
 *   demo load DB DATA ACKS FIRST RATE   put records FIRST, FIRST+1, … with one call each; write
 *                                       the number of each to ACKS once the engine has
 *                                       acknowledged it; at most RATE a second (0: no limit)
 *   demo verify DB DATA ACKS            open again; every record that ACKS names must be there
 *                                       byte for byte, and nothing that is not in DATA
 *   demo checkpoint DB                  checkpoint and close
 *   demo show DB KEY…                   look keys up
 *   demo stats DB                       what the engine says of itself
 *
 * ACKS is a plain file that this program writes with write(2) and of which the engine knows
 * nothing. A number gets into it only after warp_put has returned, so whatever it names was
 * acknowledged, and SIGKILL cannot take back what write(2) has handed to the kernel.
 *
 * Exit status: 0, 1 when the database is not what it must be, 2 for anything else.
 */
#define _POSIX_C_SOURCE 200809L

#include "dataset.h"

#include <warp_engine.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Ends the program when a call of the engine failed. */
static void check(warp_status status, const char *call) {
    if (status < 0) {
        fprintf(stderr, "demo: %s: %s: %s\n", call, warp_status_name(status), warp_last_error());
        exit(2);
    }
}

static void system_failed(const char *what) {
    fprintf(stderr, "demo: %s: %s\n", what, strerror(errno));
    exit(2);
}

static warp_db *open_db(const char *path) {
    warp_db *db = NULL;
    check(warp_open(path, NULL, &db), "warp_open");
    return db;
}

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- load ---- */

static void acknowledge(int acks, size_t ordinal) {
    char line[32];
    int len = sprintf(line, "%zu\n", ordinal);
    if (write(acks, line, (size_t)len) != len) {
        system_failed("write of an acknowledgement");
    }
}

/* Sleeps until `done` records are allowed at `rate` a second. */
static void pace(double started, size_t done, double rate) {
    double wait = started + (double)done / rate - seconds_now();
    if (wait > 0) {
        struct timespec t;
        t.tv_sec = (time_t)wait;
        t.tv_nsec = (long)((wait - (double)t.tv_sec) * 1e9);
        nanosleep(&t, NULL);
    }
}

static int load(const char *path, const char *data_path, const char *acks_path, size_t first,
                double rate) {
    struct dataset data = dataset_read(data_path);
    warp_db *db = open_db(path);
    int acks = open(acks_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    double started = seconds_now();
    size_t i;

    if (acks < 0) {
        system_failed(acks_path);
    }
    for (i = first; i < data.count; i++) {
        const struct record *r = &data.records[i];
        check(warp_put(db, r->key, r->key_len, r->value, r->value_len), "warp_put");
        acknowledge(acks, i);
        if (rate > 0 && i % 64 == 0) {
            pace(started, i - first, rate);
        }
    }
    printf("   stored records %zu to %zu in %.2f s\n", first, data.count, seconds_now() - started);
    close(acks);
    check(warp_close(db), "warp_close");
    dataset_free(&data);
    return 0;
}

/* ---- verify ---- */

/* Reads ACKS: the numbers are consecutive, so their count says which records they name. */
static size_t read_acks(const char *path, size_t max) {
    FILE *file = fopen(path, "r");
    size_t ordinal, count = 0;

    if (file == NULL) {
        system_failed(path);
    }
    while (fscanf(file, "%zu", &ordinal) == 1) {
        if (ordinal != count || ordinal >= max) {
            fprintf(stderr, "demo: %s: line %zu says %zu\n", path, count + 1, ordinal);
            exit(2);
        }
        count++;
    }
    fclose(file);
    return count;
}

/* Says what is wrong with a record, for the first ones. */
static void complain(size_t wrong, const char *what, const char *key, size_t key_len) {
    const size_t shown = 10;
    if (wrong < shown) {
        printf("   %s: %.*s\n", what, (int)key_len, key);
    } else if (wrong == shown) {
        printf("   and more\n");
    }
}

/* Counts the acknowledged records that are missing or differ. */
static size_t wrong_by_key(warp_db *db, const struct dataset *data, size_t acknowledged) {
    size_t i, wrong = 0;
    for (i = 0; i < acknowledged; i++) {
        const struct record *r = &data->records[i];
        warp_value value = {0};
        warp_status status = warp_get_pinned(db, r->key, r->key_len, &value);
        check(status, "warp_get_pinned");
        if (status == WARP_NOT_FOUND) {
            complain(wrong++, "LOST", r->key, r->key_len);
        } else if (value.len != r->value_len || memcmp(value.data, r->value, value.len) != 0) {
            complain(wrong++, "DIFFERS", r->key, r->key_len);
        }
        warp_value_release(&value);
    }
    return wrong;
}

/* Walks over everything that is stored; counts it, and what should not be there. */
static size_t wrong_by_walk(warp_db *db, const struct dataset *data, size_t *stored) {
    warp_iter *iter = NULL;
    warp_slice key, value;
    warp_status status;
    size_t wrong = 0;

    *stored = 0;
    check(warp_iter_new(db, NULL, 0, &iter), "warp_iter_new");
    while ((status = warp_iter_next(iter, &key, &value)) == WARP_OK) {
        const struct record *r = dataset_find(data, key.data, key.len);
        if (r == NULL || value.len != r->value_len ||
            memcmp(value.data, r->value, value.len) != 0) {
            complain(wrong++, "NEVER PUT", (const char *)key.data, key.len);
        }
        ++*stored;
    }
    check(status, "warp_iter_next");
    warp_iter_free(iter);
    return wrong;
}

static int verify(const char *path, const char *data_path, const char *acks_path) {
    struct dataset data = dataset_read(data_path);
    size_t acknowledged = read_acks(acks_path, data.count);
    double started = seconds_now();
    warp_db *db = open_db(path);
    double opened = seconds_now();
    size_t stored;
    size_t wrong = wrong_by_key(db, &data, acknowledged);
    wrong += wrong_by_walk(db, &data, &stored);

    printf("   opened in %.1f ms\n", (opened - started) * 1e3);
    printf("   acknowledged before    %zu\n", acknowledged);
    printf("   stored now             %zu", stored);
    if (stored > acknowledged) {
        printf("   (%zu put, killed before it could be acknowledged)", stored - acknowledged);
    }
    printf("\n   missing or different   %zu\n", wrong);
    /* One put at a time, so at most one can have been under way. */
    if (stored > acknowledged + 1 || stored < acknowledged) {
        printf("   the count does not fit\n");
        wrong++;
    }
    check(warp_close(db), "warp_close");
    dataset_free(&data);
    return wrong == 0 ? 0 : 1;
}

/* ---- checkpoint, show, stats ---- */

static int checkpoint(const char *path) {
    warp_db *db = open_db(path);
    double started = seconds_now();
    check(warp_checkpoint(db), "warp_checkpoint");
    printf("   checkpoint in %.1f ms\n", (seconds_now() - started) * 1e3);
    check(warp_close(db), "warp_close");
    return 0;
}

/* Prints the character itself; code points above 0x7F as UTF-8, control characters as a dot. */
static void print_character(unsigned long c) {
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000)) {
        c = '.';
    }
    if (c < 0x80) {
        printf("%c", (int)c);
    } else if (c < 0x800) {
        printf("%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        printf("%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)),
               (int)(0x80 | (c & 0x3f)));
    } else {
        printf("%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 0x3f)),
               (int)(0x80 | (c >> 6 & 0x3f)), (int)(0x80 | (c & 0x3f)));
    }
}

static int show(const char *path, char **keys, int count) {
    warp_db *db = open_db(path);
    int i, missing = 0;

    for (i = 0; i < count; i++) {
        char value[512];
        size_t len = 0, name;
        double started = seconds_now();
        warp_status status =
            warp_get(db, keys[i], strlen(keys[i]), value, sizeof value - 1, &len);
        double taken = seconds_now() - started;
        check(status, "warp_get");
        if (status != WARP_OK) {
            printf("   %-8s  %s\n", keys[i], warp_status_name(status));
            missing++;
            continue;
        }
        value[len] = '\0';
        name = strcspn(value, ";");
        printf("   %-8s  ", keys[i]);
        print_character(strtoul(keys[i] + 2, NULL, 16));
        printf("\t%.*s   (%zu bytes, %.1f us)\n", (int)name, value, len, taken * 1e6);
    }
    check(warp_close(db), "warp_close");
    return missing == 0 ? 0 : 1;
}

static int stats(const char *path) {
    warp_db *db = open_db(path);
    warp_statistics s;

    memset(&s, 0, sizeof s);
    s.struct_size = sizeof s;
    check(warp_stats(db, &s), "warp_stats");
    printf("   library %s, ABI %" PRIu32 "\n", warp_version(), warp_abi_version());
    printf("   keys               %12" PRIu64 "\n", s.keys);
    printf("   shards             %12" PRIu64 "\n", s.shards);
    printf("   log bytes          %12" PRIu64 "\n", s.log_bytes);
    printf("   live bytes         %12" PRIu64 "\n", s.live_bytes);
    printf("   index bytes        %12" PRIu64 "\n", s.index_bytes);
    printf("   resident bytes     %12" PRIu64 "\n", s.resident_bytes);
    printf("   replayed at open   %12" PRIu64 " records\n", s.recovered_records);
    printf("   opened in          %12" PRIu64 " us\n", s.open_micros);
    check(warp_close(db), "warp_close");
    return 0;
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";

    if (warp_abi_version() != WARP_ABI_VERSION) {
        fprintf(stderr, "demo: compiled for ABI %d, the library has %" PRIu32 "\n",
                WARP_ABI_VERSION, warp_abi_version());
        return 2;
    }
    if (strcmp(command, "load") == 0 && argc == 7) {
        return load(argv[2], argv[3], argv[4], strtoul(argv[5], NULL, 10), atof(argv[6]));
    }
    if (strcmp(command, "verify") == 0 && argc == 5) {
        return verify(argv[2], argv[3], argv[4]);
    }
    if (strcmp(command, "checkpoint") == 0 && argc == 3) {
        return checkpoint(argv[2]);
    }
    if (strcmp(command, "show") == 0 && argc > 3) {
        return show(argv[2], argv + 3, argc - 3);
    }
    if (strcmp(command, "stats") == 0 && argc == 3) {
        return stats(argv[2]);
    }
    fprintf(stderr, "usage: demo load DB DATA ACKS FIRST RATE | verify DB DATA ACKS |\n"
                    "       checkpoint DB | show DB KEY... | stats DB\n");
    return 2;
}
