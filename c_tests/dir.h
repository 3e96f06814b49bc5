/* What tests share beyond check.h: directories that go when the program ends, short names for
 * keys that are C strings. Include it first: it asks for POSIX. */
#ifndef DIR_H
#define DIR_H

#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char dir_path[4096];

static int dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void dir_remove(void) {
    if (dir_path[0] != '\0') {
        nftw(dir_path, dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* An empty directory, the same one on every call. */
static const char *dir_get(void) {
    if (dir_path[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(dir_path, sizeof dir_path, "%s/warp-test-XXXXXX", base != NULL ? base : "/tmp");
        CHECK(mkdtemp(dir_path) != NULL);
        CHECK(atexit(dir_remove) == 0);
    }
    return dir_path;
}

/* A path inside it. */
static inline const char *dir_file(const char *name) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", dir_get(), name);
    return path;
}

/* Runs a function in a child of fork, which dies by SIGKILL when all its checks held: as a crash
 * does, without closing anything, and without a leak checker that would report what the threads of
 * the parent own. */
static inline void in_child(void (*body)(void *), void *argument) {
    int how = 0;
    fflush(NULL);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dir_path[0] = '\0'; /* the directory is the parent's to remove */
        body(argument);
        kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(pid, &how, 0) == pid);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

/* A fresh database in memory. */
static inline warp_db *open_memory(void) {
    warp_db *db = NULL;
    CHECK_STATUS(warp_open(NULL, NULL, &db), WARP_OK);
    CHECK(db != NULL);
    return db;
}

static inline warp_db *open_path(const char *path) {
    warp_db *db = NULL;
    CHECK_STATUS(warp_open(path, NULL, &db), WARP_OK);
    return db;
}

static inline warp_status put(warp_db *db, const char *key, const char *value) {
    return warp_put(db, key, strlen(key), value, strlen(value));
}

/* Whether the key has exactly this value. */
static inline int has(warp_db *db, const char *key, const char *value) {
    char buf[256];
    size_t len = 0;
    return warp_get(db, key, strlen(key), buf, sizeof buf, &len) == WARP_OK &&
           len == strlen(value) && memcmp(buf, value, len) == 0;
}

static inline int missing(warp_db *db, const char *key) {
    return warp_exists(db, key, strlen(key)) == WARP_NOT_FOUND;
}

static inline warp_slice slice(const char *text) {
    warp_slice s;
    s.data = (const uint8_t *)text;
    s.len = strlen(text);
    return s;
}

#endif
