/* Generated from src/ffi/ by cbindgen; do not edit.
   Regenerate with: WARP_BLESS=1 cargo test --test abi */
#ifndef WARP_ENGINE_H
#define WARP_ENGINE_H

/* WarpEngine: an embedded, sharded, log-structured key-value engine, for C and C++.
 *
 * A database is a directory (or memory alone). Keys and values are bytes. Operations run on the
 * caller's own thread: there is no server, and no thread is waited for on the way of a read.
 *
 * EXAMPLE
 *
 *    #include <stdio.h>
 *    #include <warp_engine.h>
 *
 *    int main(void) {
 *        warp_db *db;
 *        char value[16];
 *        size_t len;
 *        if (warp_open("planets.db", NULL, &db) != WARP_OK ||
 *            warp_put(db, "earth", 5, "blue", 4) != WARP_OK ||
 *            warp_get(db, "earth", 5, value, sizeof value, &len) != WARP_OK) {
 *            fprintf(stderr, "%s\n", warp_last_error());
 *            return 1;
 *        }
 *        printf("%.*s\n", (int)len, value);
 *        return warp_close(db) == WARP_OK ? 0 : 1;
 *    }
 *
 * Compile with `cc planets.c $(pkg-config --cflags --libs warp-engine)`, or with CMake:
 * find_package(WarpEngine) and link WarpEngine::warp_engine.
 *
 * CONVENTIONS
 *
 * Results. Every call that can fail returns a warp_status: 0 is success, a positive value is an
 * answer (not found, buffer too small), a negative one is an error. After an error,
 * warp_last_error() has the text. Each function lists the codes that are likely for it; every
 * function may also give WARP_ERR_INTERNAL (a defect of the library, caught), after which the
 * handle refuses writes and goes on reading.
 *
 * Pointers. NULL where something is required is WARP_ERR_INVALID_ARGUMENT and never a crash.
 * (NULL, 0) is a valid empty value and a valid empty prefix. Everything that frees, releases or
 * closes accepts NULL.
 *
 * Memory. The library hands out nothing that is freed with free(): each thing has a release
 * function of its own. What a caller passes in is copied before the call returns.
 *
 * Bytes. Keys have 1 to 65,535 bytes, values 0 bytes to 1 GiB. They are opaque: no terminator is
 * read or written, and there is no order between keys.
 *
 * THREADS
 *
 * A warp_db may be used from any number of threads at once. warp_close is the exception: no
 * other thread may use the handle while it runs or after it. Batches, iterators and options
 * belong to one thread at a time and may move between threads. A pinned value may be read and
 * released by any thread. Nothing else depends on the thread that calls, except the text of
 * warp_last_error().
 *
 * CAVEATS
 *
 * Problem: a power failure takes writes that were acknowledged, up to sync_interval_ms of them,
 * because the default durability is periodic (the death of the process takes none).
 * Fix: call warp_sync or warp_wait_durable where it matters, or set durability to sync.
 *
 * Problem: a handle of the parent does not work in a child of fork. Every call on it gives
 * WARP_ERR_INVALID_ARGUMENT, and its memory stays allocated until the child ends.
 * Fix: open the database after the fork, or call exec. (A child that is made by a bare clone
 * system call is not noticed: do not use a handle there.)
 *
 * Problem: every write suddenly gives WARP_ERR_READ_ONLY. A sync has failed, and the kernel may
 * have dropped what it could not write, so nothing later could be promised.
 * Fix: mend the device, close, open again; what was on the device is recovered.
 *
 * Problem: opening a directory that is open already waits open_timeout_ms and gives
 * WARP_ERR_BUSY, also when both handles are in one process.
 * Fix: share the handle between threads; it is made for that.
 *
 * Problem: disk space or memory is not given back. A pinned value or an iterator that is still
 * held keeps the segment in which its bytes lie.
 * Fix: release values and free iterators soon; copy what is kept for long.
 *
 * Problem: a copy of a warp_value is not a second reference; releasing both is a double free.
 * Fix: release one of them, once. Releasing the same variable twice is harmless.
 *
 * Problem: warp_last_error() has the text of some other failure. It belongs to the thread, and
 * runtimes that move tasks between threads (Go, the BEAM) may move in between.
 * Fix: fetch it inside the same foreign call, in a small C function that does both.
 *
 * Problem: dlclose does not unload the library. It is linked with -z nodelete on purpose:
 * unloading code while a thread still has its thread-local data would crash.
 * Fix: none is needed; opening it again costs nothing.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ==== Version ====
 *
 * A program that loads the library at run time compares the number that it was compiled with
 * (the macro) with the number of the library (the function) before any other call.
 */

/**
 * The version of this interface, as the caller was compiled with. It is also the number in the
 * library's SONAME, and changes only when something is removed or changes its meaning.
 */
#define WARP_ABI_VERSION 0

/**
 * Give the version of the interface that the library has.
 *
 * Returns WARP_ABI_VERSION of the header that the library was built with. If it differs from the
 * caller's macro, the two do not fit, and no other call may be made.
 */
uint32_t warp_abi_version(void);

/**
 * Give the version of the library, such as "0.1.0" (semantic versioning).
 *
 * Returns a string that is never NULL and lives as long as the program.
 */
const char *warp_version(void);

/* ==== Status codes ====
 *
 * A code, once given, keeps its value and its meaning for ever and is never used for another.
 * Test the sign where the distinction is enough: negative values alone are failures, and they
 * alone have a text in warp_last_error().
 */

/** Done. */
#define WARP_OK 0
/** The key does not exist; the iterator is at its end. */
#define WARP_NOT_FOUND 1
/** The value does not fit: its length is given, and nothing was copied. */
#define WARP_BUFFER_TOO_SMALL 2
/** Compare-and-swap found another value. */
#define WARP_CONFLICT 3
/** The answer needs the disk, and the caller asked not to wait. */
#define WARP_WOULD_BLOCK 4
/** The value is still the one that the caller knows. */
#define WARP_UNCHANGED 5

/**
 * A NULL, an empty key, an unknown option name, a value out of range, a handle of the parent in
 * a child of fork.
 */
#define WARP_ERR_INVALID_ARGUMENT (-1)
/** The operating system failed a read, a write or a sync (errno is in the text). */
#define WARP_ERR_IO (-2)
/** Stored bytes do not match their checksum, or files are missing. */
#define WARP_ERR_CORRUPTION (-3)
/** Another process has the directory open, still, after open_timeout_ms. */
#define WARP_ERR_BUSY (-4)
/** A deadline passed for another reason. */
#define WARP_ERR_TIMEOUT (-5)

/**
 * The device or the quota is full. Nothing that was acknowledged is lost; reads and deletes
 * still work, and puts work again once there is room.
 */
#define WARP_ERR_NO_SPACE (-6)
/** A write on a handle that was opened read-only or that a failed sync has made read-only. */
#define WARP_ERR_READ_ONLY (-7)
/** A key, a value or a batch over the limits. */
#define WARP_ERR_TOO_LARGE (-8)

/**
 * The directory was written by a newer format version, or the platform lacks what was asked for.
 */
#define WARP_ERR_UNSUPPORTED (-9)
/** An allocation failed or would pass the memory limit. */
#define WARP_ERR_OUT_OF_MEMORY (-10)
/** A defect of the library, caught. The handle refuses writes from now on; reads go on. */
#define WARP_ERR_INTERNAL (-11)

/** The result of a call: WARP_OK, an answer (positive) or an error (negative). */
typedef int32_t warp_status;

/**
 * Name a status: "WARP_NOT_FOUND" for WARP_NOT_FOUND, and so on.
 *
 *   status   any value; one that is no code gives "WARP_UNKNOWN"
 *
 * Returns a string that is never NULL and lives as long as the program.
 */
const char *warp_status_name(warp_status status);

/* ==== The text of the last failure ====
 *
 * One text a thread. Only calls that return a negative status replace it: success and the
 * positive answers leave it alone, so it is worth reading after an error and at no other time.
 */

/**
 * Give the text of the last failure on the calling thread.
 *
 * The text is one line of UTF-8, lower case, at most 1,023 bytes, and names the file, shard,
 * offset or argument concerned. It is for people: programs test the status.
 *
 * Returns a string that is never NULL (empty when nothing has failed yet). The pointer is the
 * same at every call and valid until the thread ends; the next failure on the thread replaces
 * the text, so copy what is kept. Beware of f(warp_put(...), warp_last_error()): C may fetch the
 * text before it makes the call.
 */
const char *warp_last_error(void);

/* ==== Options ====
 *
 * Options are set by name, so that a new one never changes this interface. Sizes take K, M or G
 * (powers of 1024), times are whole milliseconds, booleans are true or false.
 *
 *    name                    default   meaning
 *    shards                  24        number of shards, 1 to 1024; fixed when the directory is
 *                                      created and read from it afterwards (asking for another
 *                                      number then is an error)
 *    durability              periodic  what an acknowledged write survives:
 *                                        none      nothing is promised (0.1 gives what process does)
 *                                        process   the death of the process
 *                                        periodic  that, and a power failure up to the last
 *                                                  sync_interval_ms
 *                                        sync      everything: acknowledged once on the device
 *    sync_interval_ms        100       longest time between two syncs under periodic
 *    memory_limit            2G        ceiling for what the engine keeps resident: indexes, mapped log,
 *                                      cache. In a container the default is half of what that may
 *                                      have, if that is less. What does not fit is read from disk; a
 *                                      database in memory refuses it. Taken as at least 6 MiB and
 *                                      256 KiB for each shard
 *    cache_compression       false     keep what the cache of cold values holds compressed
 *    create_if_missing       true      make the directory when there is none
 *    error_if_exists         false     refuse to open a database that exists
 *    read_only               false     refuse every write
 *    open_timeout_ms         30000     how long to retry while another process has the directory
 *    checkpoint_interval_ms  chosen    time between automatic checkpoints
 *    checkpoint_log_bytes    chosen    bytes of log between automatic checkpoints
 *    pin_shards              false     pin each shard's upkeep to one core
 *    load_monitor            true      watch how the load spreads over shards, slots and keys
 *    skew_percent            90        the load counts as skewed while its normalised entropy is
 *                                      below this, 1 to 99
 *    auto_rebalance          false     move slots by itself while the load is skewed
 *    rules                             rules that the database gets if it has not got them:
 *                                      user:*,profile:*;order:*,items:*
 *    prefetch_links          false     a get of a key starts the loads of its partners
 *    learn_links             false     learn partners from reads that follow each other
 */

/** How to open a database. One thread at a time. */
typedef struct warp_options warp_options;

/**
 * Make options that all have their defaults.
 *
 * Returns options to free with warp_options_free, or NULL when there is no memory.
 */
struct warp_options *warp_options_new(void);

/**
 * Free options.
 *
 *   options   options, or NULL; warp_open keeps nothing of them, so they may go right after it
 */
void warp_options_free(struct warp_options *options);

/**
 * Set one option.
 *
 *   options   options of warp_options_new
 *   name      a name of the table above
 *   value     its value as text, such as "64M", "250" or "true"
 *
 * Returns
 *   WARP_OK                     set
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, an unknown name (the text lists those that are known) or
 *                               a bad value (the text says what is expected); nothing was changed
 */
warp_status warp_options_set(struct warp_options *options,
                             const char *name,
                             const char *value);

/* ==== Database: open, close, put, delete, exists ====
 *
 * All of these may be called from any number of threads at once, warp_close excepted.
 */

/** The value will soon be overwritten or deleted. */
#define WARP_HOT 1
/** Nobody knows how long the value will stay; what warp_put takes. */
#define WARP_WARM 2
/** The value will stay for long. */
#define WARP_COLD 3

/** An open database. */
typedef struct warp_db warp_db;

/**
 * Open a database.
 *
 * After a crash the logs are replayed first, so this may take as long as the log since the last
 * checkpoint needs.
 *
 *   path      the database's directory, or NULL for a database in memory: the same behaviour,
 *             nothing on disk, gone at close
 *   options   options, or NULL for the defaults; not kept
 *   out       receives the handle, or NULL on failure; close it with warp_close
 *
 * Returns
 *   WARP_OK                     open
 *   WARP_ERR_INVALID_ARGUMENT   out is NULL, the path is empty, the directory is missing with
 *                               create_if_missing=false or exists with error_if_exists=true, or
 *                               it has another number of shards than asked for
 *   WARP_ERR_BUSY               another handle has the directory, still, after open_timeout_ms
 *   WARP_ERR_CORRUPTION         what was on the device once does not verify; the text names file
 *                               and offset, and nothing was changed
 *   WARP_ERR_UNSUPPORTED        written by a newer version
 *   WARP_ERR_IO                 the directory or a file in it could not be used
 *   WARP_ERR_NO_SPACE           there is no room for the first segments
 *   WARP_ERR_OUT_OF_MEMORY      memory_limit is too small for this database
 */
warp_status warp_open(const char *path,
                      const warp_options *options,
                      struct warp_db **out);

/**
 * Close a database: flush, checkpoint, free.
 *
 * The handle is gone whatever this returns. No other thread may use it meanwhile or afterwards.
 * Iterators and pinned values stay usable and are freed as before.
 *
 *   db   a database, or NULL
 *
 * Returns
 *   WARP_OK                     everything acknowledged is on the device; also for NULL
 *   WARP_ERR_IO                 the last sync or checkpoint failed: what the durability option
 *   WARP_ERR_NO_SPACE           promised holds, and the next open replays the logs
 *   WARP_ERR_INVALID_ARGUMENT   called in a child of fork: nothing was written or freed
 */
warp_status warp_close(struct warp_db *db);

/**
 * Store a value under a key, replacing the value there was.
 *
 * When this returns, the write survives what the durability option says.
 *
 *   db          an open database
 *   key         key_len bytes, 1 to 65,535
 *   value       value_len bytes, 0 to 1 GiB; NULL with 0 is an empty value
 *
 * Returns
 *   WARP_OK                     stored
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key or value over the limits
 *   WARP_ERR_NO_SPACE           the device is full; nothing was changed
 *   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
 *   WARP_ERR_OUT_OF_MEMORY      the index or the value alone would pass memory_limit, or, in memory,
 *                               all values would: nothing was changed; deletes still work, and make
 *                               room
 *   WARP_ERR_IO                 the log could not be written; whether the value is stored shows
 *                               after the next open
 */
warp_status warp_put(struct warp_db *db,
                     const void *key,
                     size_t key_len,
                     const void *value,
                     size_t value_len);

/**
 * Store a value, with a hint of how long it will stay.
 *
 * Cold values get segments of their own from the start, so that compaction need not move them out
 * of the way of hot ones. A hint changes no answer and no promise.
 *
 *   db          an open database
 *   key         key_len bytes, 1 to 65,535
 *   value       value_len bytes, 0 to 1 GiB; NULL with 0 is an empty value
 *   hint        WARP_HOT, WARP_WARM or WARP_COLD
 *
 * Returns what warp_put does, and WARP_ERR_INVALID_ARGUMENT for a hint that is none.
 */
warp_status warp_put_hinted(struct warp_db *db,
                            const void *key,
                            size_t key_len,
                            const void *value,
                            size_t value_len,
                            uint32_t hint);

/**
 * Delete a key and its value.
 *
 *   db    an open database
 *   key   key_len bytes, 1 to 65,535
 *
 * Returns
 *   WARP_OK                     deleted
 *   WARP_NOT_FOUND              there was nothing to delete
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
 *   WARP_ERR_IO                 the log could not be written
 */
warp_status warp_delete(struct warp_db *db, const void *key, size_t key_len);

/**
 * Tell whether a key exists, without its value.
 *
 *   db    an open database
 *   key   key_len bytes, 1 to 65,535
 *
 * Returns
 *   WARP_OK                     it exists
 *   WARP_NOT_FOUND              it does not
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold record could not be read
 *   WARP_ERR_CORRUPTION         a cold record does not match its checksum
 */
warp_status warp_exists(struct warp_db *db, const void *key, size_t key_len);

/* ==== Reading into a buffer of the caller ==== */

/**
 * Copy a value into a buffer.
 *
 *   db          an open database
 *   key         key_len bytes, 1 to 65,535
 *   buf         room for buf_len bytes; may be NULL when buf_len is 0, which asks for the length
 *   value_len   receives the value's length, also when it does not fit; 0 when there is no value
 *
 * Returns
 *   WARP_OK                     found and copied
 *   WARP_NOT_FOUND              the key does not exist
 *   WARP_BUFFER_TOO_SMALL       found, but longer than buf_len: nothing was copied; try again with
 *                               *value_len bytes (and again, should the value grow meanwhile)
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold value could not be read
 *   WARP_ERR_CORRUPTION         a cold value does not match its checksum
 */
warp_status warp_get(warp_db *db,
                     const void *key,
                     size_t key_len,
                     void *buf,
                     size_t buf_len,
                     size_t *value_len);

/**
 * Copy a value into a buffer, or say that this would wait for the disk.
 *
 * As warp_get, for threads that must not wait (event loops, schedulers): call this first, and
 * warp_get on a thread that may wait when the answer is WARP_WOULD_BLOCK.
 *
 *   db          an open database
 *   key         key_len bytes, 1 to 65,535
 *   buf         room for buf_len bytes; may be NULL when buf_len is 0
 *   value_len   receives the value's length; 0 when there is none or it is not known
 *
 * Returns
 *   WARP_OK                     found and copied
 *   WARP_NOT_FOUND              the key does not exist
 *   WARP_BUFFER_TOO_SMALL       found, but longer than buf_len: nothing was copied
 *   WARP_WOULD_BLOCK            the value is neither mapped, nor cached, nor in the kernel's page
 *                               cache
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold value could not be read
 *   WARP_ERR_CORRUPTION         a cold value does not match its checksum
 */
warp_status warp_get_nowait(warp_db *db,
                            const void *key,
                            size_t key_len,
                            void *buf,
                            size_t buf_len,
                            size_t *value_len);

/* ==== Reading without a copy: pinned values ====
 *
 * A pinned value stays valid and unchanged until it is released, whatever is written, deleted,
 * compacted or closed meanwhile. Release values soon: each keeps a segment of the log in memory, or
 * a copy of the value if that came from a cold segment.
 */

/**
 * A pinned value. Read data and len; the rest belongs to the library. All zero is a value that
 * holds nothing.
 */
typedef struct warp_value {
    /** First byte of the value; not to be read when len is 0. */
    const uint8_t *data;
    /** Length of the value, in bytes. */
    size_t len;
    /** Private: what keeps the bytes alive. */
    size_t private_owner;
    /** Private: the process that may release them. */
    size_t private_process;
} warp_value;

/** Bytes that somebody else owns. */
typedef struct warp_slice {
    /** First byte; may be NULL when len is 0. */
    const uint8_t *data;
    /** Number of bytes. */
    size_t len;
} warp_slice;

/**
 * Pin a value, without copying it.
 *
 *   db    an open database
 *   key   key_len bytes, 1 to 65,535
 *   out   receives the value, all zero unless WARP_OK is returned; what it held before is not
 *         released
 *
 * Returns
 *   WARP_OK                     found; release it with warp_value_release
 *   WARP_NOT_FOUND              the key does not exist
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold value could not be read
 *   WARP_ERR_CORRUPTION         a cold value does not match its checksum
 *   WARP_ERR_OUT_OF_MEMORY      there is no memory to read a cold value into
 */
warp_status warp_get_pinned(warp_db *db,
                            const void *key,
                            size_t key_len,
                            struct warp_value *out);

/**
 * Release a pinned value and zero it.
 *
 *   value   a value of warp_get_pinned or warp_multi_get; NULL, a zeroed value and one that was
 *           released already do nothing
 *
 * Any thread may call this, also after warp_close. Make no copies of the struct that outlive it.
 */
void warp_value_release(struct warp_value *value);

/**
 * Pin the values of many keys in one call.
 *
 * The memory latencies of the reads overlap, so this is several times faster than as many single
 * reads. The reads are not a snapshot: each sees its key at some moment of the call.
 *
 *   db         an open database
 *   n          number of keys
 *   keys       n keys
 *   values     receives n values, all zero where nothing was found; release each one
 *   statuses   receives n statuses, each as warp_get_pinned would give it for that key
 *
 * With n = 0 the arrays may be NULL.
 *
 * Returns
 *   WARP_OK                     every key was looked up; its answer is in its status
 *   WARP_ERR_INVALID_ARGUMENT   an array is NULL, or a key is NULL with a length: nothing was
 *                               looked up, and every value is zero
 */
warp_status warp_multi_get(warp_db *db,
                           size_t n,
                           const struct warp_slice *keys,
                           struct warp_value *values,
                           warp_status *statuses);

/* ==== Reading without waiting: what warp_get_nowait is to warp_get ====
 *
 * For threads that must not wait for the disk, such as event loops and schedulers: call these
 * first, and the ones that wait on a thread that may, when the answer is WARP_WOULD_BLOCK. A value
 * is there at once if it was written since the open and its segment is mapped, if it is in the
 * cache, or if its bytes are in the kernel's page cache and the system can say so (Linux can; where
 * it cannot, only the first two count). What is longer than 64 KiB is there in the first two cases
 * alone, and not if the cache keeps it compressed: the rest takes long to check or to decompress.
 */

/**
 * Pin a value, without copying it, or say that this would wait for the disk.
 *
 *   db    an open database
 *   key   key_len bytes, 1 to 65,535
 *   out   receives the value, all zero unless WARP_OK is returned; what it held before is not
 *         released
 *
 * Returns
 *   WARP_OK                     found; release it with warp_value_release
 *   WARP_NOT_FOUND              the key does not exist
 *   WARP_WOULD_BLOCK            the answer needs the disk
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold value could not be read
 *   WARP_ERR_CORRUPTION         a cold value does not match its checksum
 */
warp_status warp_get_pinned_nowait(warp_db *db,
                                   const void *key,
                                   size_t key_len,
                                   warp_value *out);

/**
 * Tell whether a key exists, or say that this would wait for the disk.
 *
 *   db    an open database
 *   key   key_len bytes, 1 to 65,535
 *
 * Returns
 *   WARP_OK                     it exists
 *   WARP_NOT_FOUND              it does not
 *   WARP_WOULD_BLOCK            the answer needs the disk
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold record could not be read
 *   WARP_ERR_CORRUPTION         a cold record does not match its checksum
 */
warp_status warp_exists_nowait(warp_db *db, const void *key, size_t key_len);

/**
 * Tell whether a write of a key would have to wait, for threads that must not.
 *
 * Nearly always a put, a delete or a swap is a copy in memory. It waits if what it overwrites is
 * only on the disk, since that is looked at first (for any key there may be such a value once
 * memory is short, or if the database had any when it was opened); while writers are held back, because compaction
 * falls behind or memory runs short; while rules change or slots move; and, with durability sync,
 * for the device. The answer is that of the moment, and this counts as no read.
 *
 *   db    an open database
 *   key   key_len bytes, 1 to 65,535; NULL with 0: whether a write of any key might, for batches
 *
 * Returns
 *   WARP_OK                     it would not
 *   WARP_WOULD_BLOCK            it might: write on a thread that may wait
 *   WARP_ERR_INVALID_ARGUMENT   a NULL handle, a NULL key with a length, an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 what is under the key could not be read
 *   WARP_ERR_CORRUPTION         what is under the key does not match its checksum
 */
warp_status warp_write_would_wait(warp_db *db,
                                  const void *key,
                                  size_t key_len);

/* ==== Reading only what has changed: for callers that keep what they made of a value ====
 *
 * Who has decoded a value may keep the result for as long as the value is the same. Its revision
 * tells: a number that a read gives with the value, and that the next read compares, without
 * looking at the value. So asking costs the look-up alone, however long the value is.
 *
 * A revision belongs to one value of one key, from the write that made it until the next write of
 * the key. No other value of the key has it or ever had it: not one with the same bytes, not one
 * put after a delete, not one of a batch. It stays the same when the value is compacted, when it
 * becomes cold, when a rule or a rebalancing gives the key another shard.
 *
 * Revisions are compared for equality and say nothing else; those of two keys have nothing to do
 * with each other. They belong to one opening of one database, on disk or in memory. After a
 * close, in a restored backup, in another database every value counts as changed, once.
 */

/**
 * Copy a value into a buffer, unless it is the one that the caller knows.
 *
 *   db          an open database
 *   key         key_len bytes, 1 to 65,535
 *   known       the revision that an earlier call gave for this key; 0 for none, so that what is
 *               there is a change
 *   buf         room for buf_len bytes; may be NULL when buf_len is 0
 *   value_len   receives the value's length, also when it does not fit; 0 when there is no value
 *               or when it is unchanged
 *   revision    receives the value's revision, also when it does not fit, never 0 then; known when
 *               the value is unchanged; 0 when there is no value
 *
 * Returns
 *   WARP_OK                     another value, copied
 *   WARP_UNCHANGED              the value is still that of known: nothing was copied
 *   WARP_NOT_FOUND              the key does not exist (any more)
 *   WARP_BUFFER_TOO_SMALL       another value, longer than buf_len: nothing was copied; try again
 *                               with *value_len bytes and the same known
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold value could not be read
 *   WARP_ERR_CORRUPTION         a cold value does not match its checksum
 */
warp_status warp_get_if_changed(warp_db *db,
                                const void *key,
                                size_t key_len,
                                uint64_t known,
                                void *buf,
                                size_t buf_len,
                                size_t *value_len,
                                uint64_t *revision);

/**
 * Copy a value that has changed, or say that this would wait for the disk.
 *
 * As warp_get_if_changed, for threads that must not wait.
 *
 *   db          an open database
 *   key         key_len bytes, 1 to 65,535
 *   known       as for warp_get_if_changed
 *   buf         room for buf_len bytes; may be NULL when buf_len is 0
 *   value_len   as for warp_get_if_changed; 0 when it is not known
 *   revision    as for warp_get_if_changed; 0 when it is not known
 *
 * Returns
 *   WARP_OK                     another value, copied
 *   WARP_UNCHANGED              the value is still that of known: nothing was copied
 *   WARP_NOT_FOUND              the key does not exist (any more)
 *   WARP_BUFFER_TOO_SMALL       another value, longer than buf_len: nothing was copied
 *   WARP_WOULD_BLOCK            the answer needs the disk
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold value could not be read
 *   WARP_ERR_CORRUPTION         a cold value does not match its checksum
 */
warp_status warp_get_if_changed_nowait(warp_db *db,
                                       const void *key,
                                       size_t key_len,
                                       uint64_t known,
                                       void *buf,
                                       size_t buf_len,
                                       size_t *value_len,
                                       uint64_t *revision);

/* ==== Compare-and-swap ==== */

/**
 * Replace a value if it is still the one that is expected, in one atomic step.
 *
 *   db         an open database
 *   key        key_len bytes, 1 to 65,535
 *   expected   the value that the key must have; NULL: the key must not exist. A pointer to
 *              {NULL, 0} is the empty value, which is not the same.
 *   desired    the value to store; NULL: delete the key
 *
 * Returns
 *   WARP_OK                     replaced
 *   WARP_CONFLICT               the key has another value, or none, or exists; nothing was changed
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key or value over the limits
 *   WARP_ERR_NO_SPACE           the device is full; nothing was changed
 *   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
 *   WARP_ERR_IO                 the log could not be written, or a cold value not be read
 */
warp_status warp_compare_and_swap(warp_db *db,
                                  const void *key,
                                  size_t key_len,
                                  const warp_slice *expected,
                                  const warp_slice *desired);

/* ==== Batches ====
 *
 * A batch is written whole or not at all, across all shards, whatever crashes. The last operation
 * on a key wins. A batch belongs to no database: it may be written to several, several times.
 *
 * The packed form, for languages that build a batch in their own memory (little-endian, without
 * padding, repeated to the end):
 *
 *    u8 kind (1 put, 2 delete) | u32 key length | u32 value length (0 for a delete) | key | value
 */

/** Kind byte of a put in the packed form. */
#define WARP_PACKED_PUT 1
/** Kind byte of a delete in the packed form. */
#define WARP_PACKED_DELETE 2

/** A list of puts and deletes. One thread at a time. */
typedef struct warp_batch warp_batch;

/**
 * Make an empty batch.
 *
 * Returns a batch to free with warp_batch_free, or NULL when there is no memory.
 */
struct warp_batch *warp_batch_new(void);

/**
 * Free a batch. What was written from it stays written.
 *
 *   batch   a batch, or NULL
 */
void warp_batch_free(struct warp_batch *batch);

/**
 * Remove every operation from a batch and keep its memory for the next ones.
 *
 *   batch   a batch; NULL does nothing
 */
void warp_batch_clear(struct warp_batch *batch);

/**
 * Count the operations of a batch.
 *
 *   batch   a batch; NULL has none
 *
 * Returns the number of puts and deletes since the batch was made or cleared.
 */
size_t warp_batch_count(const struct warp_batch *batch);

/**
 * Add a put to a batch. Key and value are copied.
 *
 *   batch   a batch
 *   key     key_len bytes, 1 to 65,535
 *   value   value_len bytes, 0 to 1 GiB; NULL with 0 is an empty value
 *
 * Returns
 *   WARP_OK                     added
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key or value over the limits; the batch is as it was
 *   WARP_ERR_OUT_OF_MEMORY      there is no memory for it; the batch is as it was
 */
warp_status warp_batch_put(struct warp_batch *batch,
                           const void *key,
                           size_t key_len,
                           const void *value,
                           size_t value_len);

/**
 * Add a delete to a batch. Deleting a key that does not exist is no error.
 *
 *   batch   a batch
 *   key     key_len bytes, 1 to 65,535; copied
 *
 * Returns
 *   WARP_OK                     added
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_OUT_OF_MEMORY      there is no memory for it; the batch is as it was
 */
warp_status warp_batch_delete(struct warp_batch *batch, const void *key, size_t key_len);

/**
 * Write a batch: all of it or none of it.
 *
 *   db      an open database
 *   batch   a batch, which stays as it is; an empty one does nothing
 *
 * Returns
 *   WARP_OK                     all operations are done
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 *   WARP_ERR_TOO_LARGE          the batch needs more than 64 MiB of log; split it
 *   WARP_ERR_NO_SPACE           the device is full; nothing was changed
 *   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
 *   WARP_ERR_OUT_OF_MEMORY      the index would pass memory_limit, or, in memory, the values
 *                               would: nothing was changed
 *   WARP_ERR_IO                 the log could not be written; all or nothing of the batch is
 *                               there after the next open
 */
warp_status warp_write(warp_db *db, const struct warp_batch *batch);

/**
 * Write a batch in the packed form (see above): all of it or none of it.
 *
 *   db      an open database
 *   bytes   len bytes of packed operations; (NULL, 0) does nothing
 *
 * Returns
 *   WARP_OK                     all operations are done
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, or bytes that are no packed operations (the text names the
 *                               offset); nothing was changed
 *   WARP_ERR_TOO_LARGE          a key or a value over the limits, or more than 64 MiB of log
 *   WARP_ERR_NO_SPACE           the device is full; nothing was changed
 *   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
 *   WARP_ERR_OUT_OF_MEMORY      the index would pass memory_limit, or, in memory, the values
 *                               would: nothing was changed
 *   WARP_ERR_IO                 the log could not be written; all or nothing of the batch is
 *                               there after the next open
 */
warp_status warp_write_encoded(warp_db *db,
                               const void *bytes,
                               size_t len);

/* ==== Durability and upkeep ====
 *
 * A token names a moment: it covers every write that was acknowledged before it was taken. So a
 * program writes thousands of values, takes one token and waits once.
 */

/**
 * Put everything that was acknowledged before the call on the device.
 *
 * Calls from many threads share one sync. A database in memory has no device: done at once.
 *
 *   db   an open database
 *
 * Returns
 *   WARP_OK                     it is on the device
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 *   WARP_ERR_IO                 the device failed; the database is read-only from now on
 *   WARP_ERR_READ_ONLY          an earlier sync has failed
 */
warp_status warp_sync(warp_db *db);

/**
 * Take a token that covers every write acknowledged before the call.
 *
 *   db   an open database
 *
 * Returns the token, or 0, which is no token, when db may not be used (warp_last_error says why).
 */
uint64_t warp_token(warp_db *db);

/**
 * Wait until the writes that a token covers are on the device, starting a sync if none is due.
 *
 *   db           an open database
 *   token        a token of this handle
 *   timeout_ms   longest time to wait, in milliseconds
 *
 * Returns
 *   WARP_OK                     they are on the device
 *   WARP_ERR_TIMEOUT            not yet; waiting again is allowed
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, or a token that warp_token never gave
 *   WARP_ERR_IO                 the device failed; the database is read-only from now on
 *   WARP_ERR_READ_ONLY          an earlier sync has failed
 */
warp_status warp_wait_durable(warp_db *db, uint64_t token, uint32_t timeout_ms);

/**
 * Tell whether the writes that a token covers are on the device, without waiting.
 *
 *   db      an open database
 *   token   a token of this handle
 *
 * Returns
 *   WARP_OK                     they are
 *   WARP_WOULD_BLOCK            not yet
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, or a token that warp_token never gave
 *   WARP_ERR_IO                 the device failed
 *   WARP_ERR_READ_ONLY          a sync has failed: they may never be
 */
warp_status warp_is_durable(warp_db *db, uint64_t token);

/**
 * Checkpoint all shards, side by side, while reads and writes go on.
 *
 * Afterwards everything acknowledged before the call is on the device, and the next open replays
 * only what came later. The engine does this by itself often enough to keep opening fast.
 *
 *   db   an open database
 *
 * Returns
 *   WARP_OK                     done
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 *   WARP_ERR_NO_SPACE           the device is full; the last checkpoint stays in force
 *   WARP_ERR_IO                 the device failed
 *   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
 */
warp_status warp_checkpoint(warp_db *db);

/**
 * Copy the database to another directory, consistently, while reads and writes go on.
 *
 * The copy opens as a database of its own. Files that no longer change are hard-linked where the
 * file system can, so a copy on the same file system is fast and small.
 *
 *   db    an open database
 *   dir   the directory to make; it must not exist, or be empty
 *
 * Returns
 *   WARP_OK                     the copy is complete and on the device
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, an empty path, or a directory that is not empty
 *   WARP_ERR_NO_SPACE           no room for the copy
 *   WARP_ERR_IO                 the copy could not be written
 *   WARP_ERR_UNSUPPORTED        the database is in memory
 */
warp_status warp_backup(warp_db *db,
                        const char *dir);

/**
 * Reclaim now what overwritten and deleted values take up. The engine also does this by itself.
 *
 *   db   an open database
 *
 * Returns
 *   WARP_OK                     done, or there was nothing to do
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 *   WARP_ERR_NO_SPACE           no room to move what is live
 *   WARP_ERR_IO                 the device failed
 *   WARP_ERR_CORRUPTION         a value to move does not match its checksum; it was not moved
 *   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
 */
warp_status warp_compact(warp_db *db);

/* ==== Iteration ====
 *
 * An iterator gives every key with its prefix exactly once if the key exists for the whole life
 * of the iterator; keys that come or go meanwhile may appear or not. There is no order. It stays
 * usable after warp_close. Entries and pages may be taken in turn.
 */

/** An iterator. One thread at a time. */
typedef struct warp_iter warp_iter;

/**
 * Make an iterator over the keys with a prefix.
 *
 *   db       an open database
 *   prefix   prefix_len bytes that the keys start with; length 0 (pointer may be NULL): all keys
 *   out      receives the iterator, or NULL on failure; free it with warp_iter_free
 *
 * Returns
 *   WARP_OK                     it stands before the first entry
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 *   WARP_ERR_OUT_OF_MEMORY      there is no memory for it
 */
warp_status warp_iter_new(warp_db *db,
                          const void *prefix,
                          size_t prefix_len,
                          struct warp_iter **out);

/**
 * Move to the next entry.
 *
 *   iter    an iterator
 *   key     receives the key; its bytes hold until the next call on the iterator
 *   value   receives the value, likewise
 *
 * Returns
 *   WARP_OK                     key and value are those of an entry
 *   WARP_NOT_FOUND              there is no further entry, now and ever after; both are empty
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, or an iterator of the parent in a child of fork
 *   WARP_ERR_IO                 a cold record could not be read
 *   WARP_ERR_CORRUPTION         a cold record does not match its checksum
 */
warp_status warp_iter_next(struct warp_iter *iter, warp_slice *key, warp_slice *value);

/**
 * Copy as many entries as fit into a buffer: one call for hundreds of records.
 *
 * The entries follow each other without padding, little-endian, in the packed form of
 * warp_write_encoded without the kind byte:
 *
 * u32 key length | u32 value length | key | value
 *
 * An entry that does not fit is kept for the next call.
 *
 *   iter    an iterator
 *   buf     room for buf_len bytes; may be NULL when buf_len is 0, which asks for the size that
 *           the next entry needs
 *   used    receives the number of bytes written
 *   count   receives the number of entries written
 *
 * Returns
 *   WARP_OK                     at least one entry was written
 *   WARP_NOT_FOUND              there is no further entry; *used and *count are 0
 *   WARP_BUFFER_TOO_SMALL       not even one entry fits: *used is the size that it needs, *count
 *                               is 0, nothing was written or skipped
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, or an iterator of the parent in a child of fork
 *   WARP_ERR_IO                 a cold record could not be read
 *   WARP_ERR_CORRUPTION         a cold record does not match its checksum
 */
warp_status warp_iter_next_page(struct warp_iter *iter,
                                void *buf,
                                size_t buf_len,
                                size_t *used,
                                size_t *count);

/**
 * Free an iterator.
 *
 *   iter   an iterator, or NULL; in a child of fork this does nothing
 */
void warp_iter_free(struct warp_iter *iter);

/* ==== Statistics ==== */

/** Counters (since open) and sizes (now). Later versions add fields at the end. */
typedef struct warp_statistics {
    /** sizeof(warp_statistics), set by the caller before the call. */
    size_t struct_size;
    /** Keys that exist. */
    uint64_t keys;
    /** Puts, those of batches included. */
    uint64_t puts;
    /** Reads of all kinds. */
    uint64_t gets;
    /** Reads that found the key. */
    uint64_t hits;
    /** Deletes that removed a key. */
    uint64_t deletes;
    /** Number of shards. */
    uint64_t shards;
    /** Bytes of records in all logs. */
    uint64_t log_bytes;
    /** Bytes of records that are still current. */
    uint64_t live_bytes;
    /** Bytes of the indexes. */
    uint64_t index_bytes;
    /** Bytes of the value cache. */
    uint64_t cache_bytes;
    /** Bytes that the engine keeps resident: indexes, mapped logs, cache. */
    uint64_t resident_bytes;
    /** Checkpoints published. */
    uint64_t checkpoints;
    /** Records that the open replayed from the logs. */
    uint64_t recovered_records;
    /** How long the open took, in microseconds. */
    uint64_t open_micros;
    /** Bytes of files on disk, preallocated ones included. */
    uint64_t disk_bytes;
    /** Syncs of a log to the device. */
    uint64_t syncs;
} warp_statistics;

/**
 * Get counters and sizes.
 *
 * The struct may grow in later versions: nothing is written beyond the struct_size that the
 * caller has set, and fields that this version does not know are set to 0. The figures are not
 * from one instant: other threads go on meanwhile.
 *
 *   db    an open database
 *   out   a struct whose struct_size was set to sizeof(warp_statistics)
 *
 * Returns
 *   WARP_OK                     filled
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, or struct_size was not set
 */
warp_status warp_stats(warp_db *db, struct warp_statistics *out);

/**
 * Get everything that is known, for each shard too, as JSON.
 *
 * The set of members may change with any version; use warp_stats for what a program depends on.
 *
 *   db    an open database
 *   out   receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
 *
 * Returns
 *   WARP_OK                     made
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 */
warp_status warp_stats_json(warp_db *db, char **out);

/**
 * Free a string that the library made.
 *
 *   string   a string of warp_stats_json, or NULL
 */
void warp_string_free(char *string);

/* ==== The load monitor: how operations spread over shards, slots and keys ====
 *
 * It runs unless the option load_monitor is false, and costs callers nothing: writes are counted,
 * reads are sampled. The load counts as skewed while the normalised Shannon entropy of the
 * operations over the shards (1: even, 0: one shard has all) is below skew_percent.
 */

/**
 * Get what the load monitor has to tell, as JSON:
 * {"next":2,"events":[{"number":1,"kind":"skew_began","at_ms":1200,"entropy":0.71,"shard":5,
 * "share":0.53}]}.
 *
 * Kinds are skew_began, skew_ended and rebalanced; at_ms counts from the open; shard is the hottest
 * one then, and share its part of the operations. The last 256 events are kept.
 *
 *   db     an open database
 *   from   number of the first event wanted: 0 for all, then the next of the last answer
 *   out    receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
 *
 * Returns
 *   WARP_OK                     made
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 */
warp_status warp_events_json(warp_db *db,
                             uint64_t from,
                             char **out);

/**
 * Get all statistics, those of the load monitor too, as OpenMetrics text for a scraper.
 *
 *   db    an open database
 *   out   receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
 *
 * Returns
 *   WARP_OK                     made
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 */
warp_status warp_stats_openmetrics(warp_db *db, char **out);

/* ==== Rules: which keys belong together ====
 *
 * A rule is a list of patterns, each a literal with one `*` that stands for one byte or more. What
 * the star stands for names the group: with the rule `user:*`, `profile:*` the keys `user:42` and
 * `profile:42` are the group 42, and the key of the first pattern, `user:42`, is its primary.
 * Rules are part of the database.
 */

/** The keys of a group have one shard, and compaction lays them beside each other. */
#define WARP_RULE_PLACE 1
/** warp_get_linked of one key of a group returns the others. */
#define WARP_RULE_LINK 2

/**
 * Add a rule, behind the others. The first rule with a pattern that fits a key counts.
 *
 * Keys that are there already go to their new shards before the call returns. Reads go on
 * meanwhile; writes wait while index entries move, about a microsecond for each key concerned, so add
 * rules early. Once the call has returned, the rule outlives a crash.
 *
 *   db         an open database
 *   n          number of patterns, 1 to 16
 *   patterns   n patterns of up to 256 bytes, each with exactly one *, none of another rule
 *   flags      WARP_RULE_PLACE, WARP_RULE_LINK or both
 *
 * Returns
 *   WARP_OK                     added, or there already
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, a pattern or flags that are none, over 64 rules
 *   WARP_ERR_READ_ONLY          the database takes no writes
 *   WARP_ERR_IO, WARP_ERR_NO_SPACE
 *                               the rule holds, but is not on the device yet
 *   WARP_ERR_CORRUPTION         a record is damaged; nothing has changed
 */
warp_status warp_add_rule(warp_db *db,
                          size_t n,
                          const warp_slice *patterns,
                          uint32_t flags);

/**
 * Remove a rule. Its keys go back to the shards that they would have without it, see
 * warp_add_rule.
 *
 *   db            an open database
 *   pattern       the first pattern of the rule
 *   pattern_len   its length in bytes
 *
 * Returns
 *   WARP_OK                     removed
 *   WARP_NOT_FOUND              no rule begins with this pattern
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 *   WARP_ERR_READ_ONLY          the database takes no writes
 */
warp_status warp_remove_rule(warp_db *db, const void *pattern, size_t pattern_len);

/**
 * Get all rules as JSON: {"rules":[{"patterns":["user:*"],"place":true,"link":true}]}.
 *
 *   db    an open database
 *   out   receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
 *
 * Returns
 *   WARP_OK                     made
 *   WARP_ERR_INVALID_ARGUMENT   a NULL
 */
warp_status warp_rules_json(warp_db *db, char **out);

/**
 * Get the shard of a key, whether the key exists or not. Rules and rebalancing may change it.
 *
 *   db      an open database
 *   key     key_len bytes, 1 to 65,535
 *   shard   receives the shard, from 0
 *
 * Returns
 *   WARP_OK                     known
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 */
warp_status warp_shard_of(warp_db *db, const void *key, size_t key_len, uint32_t *shard);

/**
 * Get the core that works for a shard under pin_shards (or would, without that option), for
 * callers that pin their own threads.
 *
 *   db      an open database
 *   shard   a shard
 *   cpu     receives the number of a core that the process may use
 *
 * Returns
 *   WARP_OK                     known
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, or no such shard
 */
warp_status warp_shard_cpu(warp_db *db, uint32_t shard, uint32_t *cpu);

/* ==== Evening out the load between shards ====
 *
 * Every key belongs to one of 4,096 slots, and every slot to a shard. Slots move between shards
 * while the database serves; no record is written for that.
 */

/**
 * Move slots from hot shards to cool ones until the load is even.
 *
 * The load is what the load monitor has seen in the last seconds, or, if that is too little, the
 * bytes that are stored. Reads go on meanwhile; a write waits while the index entries of one slot
 * move. A crash leaves the placement from before or after, and every record, in either case.
 *
 *   db      an open database
 *   moved   receives the number of slots that were moved; may be NULL
 *
 * Returns
 *   WARP_OK                     done; 0 slots if the load is even, or if no move helps
 *   WARP_ERR_INVALID_ARGUMENT   a NULL handle
 *   WARP_ERR_READ_ONLY          the database takes no writes
 *   WARP_ERR_CORRUPTION         a record is damaged; what had moved until then has moved
 *   WARP_ERR_OUT_OF_MEMORY      an index could not grow; likewise
 */
warp_status warp_rebalance(warp_db *db,
                           uint64_t *moved);

/**
 * Move one slot to a shard, whatever the load.
 *
 *   db      an open database
 *   slot    0 to 4,095
 *   shard   a shard
 *
 * Returns
 *   WARP_OK                     it is there
 *   WARP_ERR_INVALID_ARGUMENT   a NULL handle, no such slot or no such shard
 *   WARP_ERR_READ_ONLY          the database takes no writes
 */
warp_status warp_move_slot(warp_db *db, uint32_t slot, uint32_t shard);

/* ==== Links: keys that are read together ====
 *
 * The partners of a key are those linked to it with warp_link, the strongest first; the other keys
 * of its group, if a rule links them; and, with the option learn_links, those that were read after
 * it again and again. With the option prefetch_links, a get of a key starts the loads of its
 * partners and does not wait for them. Links of warp_link are part of the database.
 */

/** A key's value and those of its partners. One thread at a time. */
typedef struct warp_linked warp_linked;

/**
 * Link one key to another, in this direction, or change the strength of a link.
 *
 * Neither key need exist. A key has up to 32 partners. The link is as durable as a put.
 *
 *   db         an open database
 *   from       from_len bytes, 1 to 65,535: the key that is read first
 *   to         to_len bytes, 1 to 65,535: the key that is read with it
 *   strength   above 0, up to 1
 *
 * Returns
 *   WARP_OK                     linked
 *   WARP_ERR_INVALID_ARGUMENT   a NULL, an empty key, a key linked to itself, a strength out of
 *                               range, too many partners
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_READ_ONLY          the database takes no writes
 *   WARP_ERR_IO, WARP_ERR_NO_SPACE
 *                               the link could not be written; it is not there
 */
warp_status warp_link(warp_db *db,
                      const void *from,
                      size_t from_len,
                      const void *to,
                      size_t to_len,
                      double strength);

/**
 * Take a link of warp_link away.
 *
 *   db     an open database
 *   from   from_len bytes
 *   to     to_len bytes
 *
 * Returns
 *   WARP_OK                     it is gone
 *   WARP_NOT_FOUND              there was none
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_READ_ONLY          the database takes no writes
 *   WARP_ERR_IO, WARP_ERR_NO_SPACE
 *                               it could not be written; the link is still there
 */
warp_status warp_unlink(warp_db *db,
                        const void *from,
                        size_t from_len,
                        const void *to,
                        size_t to_len);

/**
 * Get a key's value and those of its partners in one call, their latencies overlapped.
 *
 *   db        an open database
 *   key       key_len bytes, 1 to 65,535
 *   out       receives the values, to free with warp_linked_free; NULL unless WARP_OK is returned
 *
 * Returns
 *   WARP_OK                     found: the key itself comes first, then the partners that exist
 *   WARP_NOT_FOUND              the key does not exist
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 *   WARP_ERR_IO                 a cold value could not be read
 *   WARP_ERR_CORRUPTION         a cold value does not match its checksum
 */
warp_status warp_get_linked(warp_db *db,
                            const void *key,
                            size_t key_len,
                            struct warp_linked **out);

/**
 * List the partners of a key, whether they and the key exist or not, without their values.
 *
 *   db        an open database
 *   key       key_len bytes, 1 to 65,535
 *   out       receives the partners, their values empty, to free with warp_linked_free; NULL
 *             unless WARP_OK is returned
 *
 * Returns
 *   WARP_OK                     listed; there may be none. The key itself is not among them
 *   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
 *   WARP_ERR_TOO_LARGE          key over the limit
 */
warp_status warp_partners(warp_db *db,
                          const void *key,
                          size_t key_len,
                          struct warp_linked **out);

/**
 * Count the values of a warp_get_linked or warp_partners.
 *
 *   linked   what one of them gave; NULL has none
 *
 * Returns the number of values, the key's own included where warp_get_linked gave it.
 */
size_t warp_linked_count(const struct warp_linked *linked);

/**
 * Look at one value of a warp_get_linked or warp_partners. The slices hold until warp_linked_free, whatever is
 * written or closed meanwhile.
 *
 *   linked     what one of them gave
 *   i          below warp_linked_count; for warp_get_linked 0 is the key that was asked for
 *   key        receives the key; may be NULL
 *   value      receives the value; may be NULL
 *   strength   receives how strong the link is, above 0, up to 1; may be NULL
 *
 * Returns
 *   WARP_OK                     there
 *   WARP_NOT_FOUND              i is too large, or linked is NULL
 */
warp_status warp_linked_at(const struct warp_linked *linked,
                           size_t i,
                           warp_slice *key,
                           warp_slice *value,
                           double *strength);

/**
 * Free what warp_get_linked or warp_partners gave. Any thread may call this, also after
 * warp_close.
 *
 *   linked   what one of them gave, or NULL
 */
void warp_linked_free(struct warp_linked *linked);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* WARP_ENGINE_H */
