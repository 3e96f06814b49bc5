/* Links: partners come with a key, the strongest first, and links outlive the process. */
#include "dir.h"

static warp_status tie(warp_db *db, const char *from, const char *to, double strength) {
    return warp_link(db, from, strlen(from), to, strlen(to), strength);
}

/* Whether the key and its partners are these, with spaces between them. */
static int linked_are(warp_db *db, const char *key, const char *expected) {
    char found[256] = "";
    warp_linked *linked = NULL;
    warp_slice k, v;
    double strength;
    CHECK_STATUS(warp_get_linked(db, key, strlen(key), &linked), WARP_OK);
    for (size_t i = 0; i < warp_linked_count(linked); i++) {
        CHECK_STATUS(warp_linked_at(linked, i, &k, &v, &strength), WARP_OK);
        CHECK(strength > 0.0 && strength <= 1.0);
        CHECK(v.len == k.len && memcmp(v.data, k.data, k.len) == 0);
        strncat(found, i == 0 ? "" : " ", 2);
        strncat(found, (const char *)k.data, k.len);
    }
    CHECK_STATUS(warp_linked_at(linked, warp_linked_count(linked), &k, &v, NULL), WARP_NOT_FOUND);
    CHECK_STATUS(warp_linked_at(linked, 0, NULL, NULL, NULL), WARP_OK);
    warp_linked_free(linked);
    return strcmp(found, expected) == 0;
}

static void fill(warp_db *db) {
    static const char *const keys[] = {"a", "b", "c", "user:1", "profile:1"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        CHECK_STATUS(put(db, keys[i], keys[i]), WARP_OK);
    }
}

/* The partners of a key, whether they exist or not, with spaces between them. */
static int partners_are(warp_db *db, const char *key, const char *expected) {
    char found[256] = "";
    warp_linked *linked = NULL;
    warp_slice k, v;
    double strength;
    CHECK_STATUS(warp_partners(db, key, strlen(key), &linked), WARP_OK);
    for (size_t i = 0; i < warp_linked_count(linked); i++) {
        CHECK_STATUS(warp_linked_at(linked, i, &k, &v, &strength), WARP_OK);
        CHECK(v.len == 0 && strength > 0.0 && strength <= 1.0);
        strncat(found, i == 0 ? "" : " ", 2);
        strncat(found, (const char *)k.data, k.len);
    }
    warp_linked_free(linked);
    return strcmp(found, expected) == 0;
}

static void partners(void) {
    warp_db *db = open_memory();
    warp_slice rule[2];
    warp_linked *linked = (warp_linked *)&rule;
    fill(db);
    CHECK(linked_are(db, "a", "a"));
    CHECK_STATUS(tie(db, "a", "b", 0.25), WARP_OK);
    CHECK_STATUS(tie(db, "a", "c", 0.5), WARP_OK);
    CHECK_STATUS(tie(db, "a", "none", 1.0), WARP_OK);
    CHECK(linked_are(db, "a", "a c b"));
    CHECK(partners_are(db, "a", "none c b"));
    CHECK(partners_are(db, "none", ""));
    CHECK_STATUS(warp_partners(db, "", 0, &linked), WARP_ERR_INVALID_ARGUMENT);
    CHECK(linked == NULL);
    CHECK_STATUS(warp_partners(db, "a", 1, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK(linked_are(db, "b", "b"));
    CHECK_STATUS(tie(db, "a", "b", 1.0), WARP_OK);
    CHECK(linked_are(db, "a", "a b c"));
    CHECK_STATUS(warp_unlink(db, "a", 1, "b", 1), WARP_OK);
    CHECK_STATUS(warp_unlink(db, "a", 1, "b", 1), WARP_NOT_FOUND);
    CHECK(linked_are(db, "a", "a c"));
    rule[0] = slice("user:*");
    rule[1] = slice("profile:*");
    CHECK_STATUS(warp_add_rule(db, 2, rule, WARP_RULE_LINK), WARP_OK);
    CHECK(linked_are(db, "user:1", "user:1 profile:1"));
    CHECK(linked_are(db, "profile:1", "profile:1 user:1"));
    CHECK(partners_are(db, "profile:2", "user:2"));
    CHECK_STATUS(warp_get_linked(db, "none", 4, &linked), WARP_NOT_FOUND);
    CHECK(linked == NULL);
    CHECK(warp_linked_count(NULL) == 0);
    warp_linked_free(NULL);
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void wrong_links(void) {
    warp_db *db = open_memory();
    warp_linked *linked;
    CHECK_STATUS(tie(db, "a", "a", 1.0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tie(db, "a", "", 1.0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tie(db, "a", "b", 0.0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tie(db, "a", "b", 1.5), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tie(NULL, "a", "b", 1.0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_link(db, NULL, 1, "b", 1, 1.0), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_unlink(db, "a", 1, NULL, 1), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_get_linked(db, "a", 1, NULL), WARP_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(warp_get_linked(NULL, "a", 1, &linked), WARP_ERR_INVALID_ARGUMENT);
    for (int i = 0; i < 32; i++) {
        char to[8];
        snprintf(to, sizeof to, "to%d", i);
        CHECK_STATUS(tie(db, "a", to, 0.5), WARP_OK);
    }
    CHECK_STATUS(tie(db, "a", "one more", 0.5), WARP_ERR_INVALID_ARGUMENT);
    CHECK_TEXT("partners");
    CHECK_STATUS(warp_close(db), WARP_OK);
}

static void link_and_die(void *path) {
    warp_db *db = open_path((const char *)path);
    fill(db);
    CHECK_STATUS(tie(db, "a", "b", 0.25), WARP_OK);
    CHECK_STATUS(tie(db, "a", "c", 0.5), WARP_OK);
    CHECK_STATUS(tie(db, "b", "c", 0.5), WARP_OK);
    CHECK_STATUS(warp_unlink(db, "b", 1, "c", 1), WARP_OK);
}

static void links_outlive_the_process(void) {
    char path[4200], copy[4200];
    warp_db *db;
    snprintf(path, sizeof path, "%s", dir_file("links"));
    snprintf(copy, sizeof copy, "%s", dir_file("copy"));
#ifndef WARP_NO_THREADS_AFTER_FORK
    in_child(link_and_die, path);
    db = open_path(path);
    CHECK(linked_are(db, "a", "a c b"));
    CHECK(linked_are(db, "b", "b"));
    CHECK_STATUS(warp_backup(db, copy), WARP_OK);
    CHECK_STATUS(warp_close(db), WARP_OK);
    db = open_path(copy);
    CHECK(linked_are(db, "a", "a c b"));
    CHECK_STATUS(warp_close(db), WARP_OK);
#else
    (void)link_and_die, (void)db;
#endif
}

int main(void) {
    partners();
    wrong_links();
    links_outlive_the_process();
    return 0;
}
