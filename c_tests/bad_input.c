/* Files and directories that an open refuses: the status, and what the text names. */
#include "dir.h"

static char db_path[4200];

static void refused(const char *path, warp_status expected, const char *text) {
    warp_db *db = (warp_db *)&db;
    CHECK_STATUS(warp_open(path, NULL, &db), expected);
    CHECK(db == NULL);
    CHECK_TEXT(text);
}

static const char *in_db(const char *name) {
    static char path[4400];
    snprintf(path, sizeof path, "%s/%s", db_path, name);
    return path;
}

static void write_byte(const char *path, long offset, int byte) {
    FILE *f = fopen(path, "r+b");
    CHECK(f != NULL && fseek(f, offset, SEEK_SET) == 0);
    CHECK(fputc(byte, f) == byte && fclose(f) == 0);
}

static int read_byte(const char *path, long offset) {
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL && fseek(f, offset, SEEK_SET) == 0);
    const int byte = fgetc(f);
    CHECK(byte != EOF && fclose(f) == 0);
    return byte;
}

/* Another byte at `offset`, until the open was refused. */
static void with_byte(const char *name, long offset, int byte, warp_status expected,
                      const char *text) {
    const int old = read_byte(in_db(name), offset);
    write_byte(in_db(name), offset, byte < 0 ? old ^ 0xff : byte);
    refused(db_path, expected, text);
    write_byte(in_db(name), offset, old);
}

static void what_is_no_database(void) {
    char path[4200];
    snprintf(path, sizeof path, "%s", dir_file("file"));
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fputs("text", f) >= 0 && fclose(f) == 0);
    refused(path, WARP_ERR_IO, "errno 20");
    /* The directory with that file in it is none either. */
    refused(dir_get(), WARP_ERR_INVALID_ARGUMENT, "is not a database");
}

static void damaged_and_newer_files(void) {
    with_byte("MANIFEST", 40, -1, WARP_ERR_CORRUPTION, "MANIFEST");
    with_byte("CHECKPOINT", 20, -1, WARP_ERR_CORRUPTION, "CHECKPOINT");
    with_byte("MANIFEST", 8, 2, WARP_ERR_UNSUPPORTED, "format 2 is newer");
    with_byte("CHECKPOINT", 8, 3, WARP_ERR_UNSUPPORTED, "format 3 is newer");
}

static void missing_files(void) {
    char away[4400];
    snprintf(away, sizeof away, "%s", in_db("away"));
    const char *const names[] = {"MANIFEST", "CHECKPOINT"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK(rename(in_db(names[i]), away) == 0);
        refused(db_path, WARP_ERR_CORRUPTION, names[i]);
        CHECK(rename(away, in_db(names[i])) == 0);
    }
}

int main(void) {
    what_is_no_database();
    snprintf(db_path, sizeof db_path, "%s", dir_file("db"));
    warp_db *db = open_path(db_path);
    CHECK_STATUS(put(db, "k", "v"), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    damaged_and_newer_files();
    missing_files();
    db = open_path(db_path);
    CHECK_STATUS(warp_exists(db, "k", 1), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    return 0;
}
