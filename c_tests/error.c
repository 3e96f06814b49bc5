/* The text of the last failure, and NULLs where nothing else tests them. */
#include "dir.h"

#include <pthread.h>

static void *another_thread(void *unused) {
    (void)unused;
    CHECK(warp_last_error() != NULL && warp_last_error()[0] == '\0');
    CHECK_STATUS(warp_sync(NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("db is NULL");
    return NULL;
}

static void the_text_is_the_threads_and_only_failures_change_it(void) {
    warp_db *db = open_memory();
    pthread_t thread;
    CHECK(warp_last_error() != NULL && warp_last_error()[0] == '\0');

    CHECK_STATUS(warp_put(db, "", 0, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("the key is empty");
    CHECK_STATUS(put(db, "k", "v"), WARP_OK);
    CHECK_TEXT("the key is empty");
    CHECK_STATUS(warp_exists(db, "none", 4), WARP_NOT_FOUND);
    CHECK_TEXT("the key is empty");
    CHECK(pthread_create(&thread, NULL, another_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_TEXT("the key is empty");
    CHECK_STATUS(warp_put(NULL, "k", 1, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("db is NULL");
    CHECK_STATUS(warp_close(db), WARP_OK);
}

/* A pointer from before the next failure is still a string, whose text is then the new one. */
static void the_pointer_stays(void) {
    const char *text = warp_last_error();
    CHECK_STATUS(warp_sync(NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK(text == warp_last_error() && strcmp(text, "db is NULL") == 0);
}

static void nulls(void) {
    warp_db *db = open_memory(), *none = (warp_db *)&db;
    CHECK_STATUS(warp_open(NULL, NULL, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("out is NULL");
    CHECK_STATUS(warp_open("", NULL, &none), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("path is empty");
    CHECK(none == NULL);
    CHECK_STATUS(warp_put(db, NULL, 1, "v", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("key is NULL");
    CHECK_STATUS(warp_put(db, "k", 1, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("value is NULL");
    CHECK_STATUS(warp_delete(db, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_delete(NULL, "k", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_exists(db, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_exists(NULL, "k", 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_get_pinned(NULL, "k", 1, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_close(db), WARP_OK);
    CHECK_STATUS(warp_close(NULL), WARP_OK);
}

int main(void) {
    the_text_is_the_threads_and_only_failures_change_it();
    the_pointer_stays();
    nulls();
    return 0;
}
