/*
 * A slow disk, preloaded into an emulator: while the file named by SLOW_DISK exists, every read that
 * may wait for the device takes SLOW_DISK_MS longer. Reads that do not wait (preadv2) are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

ssize_t pread64(int fd, void *to, size_t len, off_t offset) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) real = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64");
    const char *flag = getenv("SLOW_DISK"), *ms = getenv("SLOW_DISK_MS");
    if (flag && ms && access(flag, F_OK) == 0) {
        long nanoseconds = atol(ms) * 1000000;
        nanosleep(&(struct timespec){nanoseconds / 1000000000, nanoseconds % 1000000000}, NULL);
    }
    return real(fd, to, len, offset);
}
