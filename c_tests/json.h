/* A reader of JSON (RFC 8259) for tests: the conformance files, and what warp_stats_json gives.
 *
 * json_parse builds a tree that json_free frees. Strings are UTF-8 with a length; \u0000 is a byte
 * like others. Duplicate names are kept, and json_get finds the first. Nesting is limited, so a
 * hostile text cannot exhaust the stack. Not for speed.
 */
#ifndef WARP_TEST_JSON_H
#define WARP_TEST_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_LIST,
    JSON_OBJECT
} json_kind;

typedef struct json {
    json_kind kind;
    char *name;         /* in an object, terminated; otherwise NULL */
    char *text;         /* of a string, terminated behind len bytes; otherwise NULL */
    size_t len;         /* of the text */
    double number;      /* exact for whole numbers below 2^53 */
    struct json *child; /* first element or member */
    struct json *next;  /* next element or member of the same parent */
} json;

#define JSON_DEPTH_MAX 64

typedef struct {
    const char *at;
    const char *end;
    int depth;
} json_reader;

static void json_free(json *node) {
    while (node != NULL) {
        json *next = node->next;
        json_free(node->child);
        free(node->name);
        free(node->text);
        free(node);
        node = next;
    }
}

/* The member of an object, or NULL. */
static const json *json_get(const json *object, const char *name) {
    const json *node = object == NULL || object->kind != JSON_OBJECT ? NULL : object->child;
    while (node != NULL && strcmp(node->name, name) != 0) node = node->next;
    return node;
}

/* Number of elements or members. */
static size_t json_count(const json *node) {
    size_t n = 0;
    const json *child;
    for (child = node == NULL ? NULL : node->child; child != NULL; child = child->next) n++;
    return n;
}

static void json_blanks(json_reader *r) {
    while (r->at < r->end && *r->at != '\0' && strchr(" \t\r\n", *r->at) != NULL) r->at++;
}

static int json_take(json_reader *r, char c) {
    json_blanks(r);
    if (r->at == r->end || *r->at != c) return 0;
    r->at++;
    return 1;
}

static int json_word(json_reader *r, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) return 0;
    r->at += n;
    return 1;
}

/* Four hexadecimal digits, or -1. */
static long json_hex4(json_reader *r) {
    long value = 0;
    int i;
    if (r->end - r->at < 4) return -1;
    for (i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = r->at[i] == '\0' ? NULL : strchr(digits, r->at[i]);
        if (digit == NULL) return -1;
        value = value * 16 + (digit - digits) % 16;
    }
    r->at += 4;
    return value;
}

static char *json_utf8(char *to, unsigned long code) {
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xE0 | code >> 12);
        } else {
            *to++ = (char)(0xF0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (code & 0x3F));
    return to;
}

/* One escape, behind its backslash, written to `to`; NULL if it is none. */
static char *json_escape(json_reader *r, char *to) {
    static const char from[] = "\"\\/bfnrt";
    static const char into[] = "\"\\/\b\f\n\r\t";
    const char *known;
    long code, low;
    if (r->at == r->end || *r->at == '\0') return NULL;
    if ((known = strchr(from, *r->at)) != NULL) {
        r->at++;
        *to = into[known - from];
        return to + 1;
    }
    if (*r->at++ != 'u' || (code = json_hex4(r)) < 0) return NULL;
    if (code >= 0xDC00 && code < 0xE000) return NULL;
    if (code >= 0xD800 && code < 0xDC00) {
        if (!json_word(r, "\\u") || (low = json_hex4(r)) < 0xDC00 || low >= 0xE000) return NULL;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return json_utf8(to, (unsigned long)code);
}

/* A string, behind its opening quote. */
static char *json_string(json_reader *r, size_t *len) {
    /* No escape is shorter than what it stands for. */
    char *text = (char *)malloc((size_t)(r->end - r->at) + 1);
    char *to = text;
    while (text != NULL && r->at < r->end && (unsigned char)*r->at >= 0x20) {
        char c = *r->at++;
        if (c == '"') {
            *to = '\0';
            *len = (size_t)(to - text);
            return text;
        }
        if (c != '\\') {
            *to++ = c;
        } else if ((to = json_escape(r, to)) == NULL) {
            break;
        }
    }
    free(text);
    return NULL;
}

static int json_digits(json_reader *r) {
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return r->at > from;
}

static int json_number(json_reader *r, double *number) {
    char copy[64];
    const char *from = r->at;
    size_t n;
    json_word(r, "-");
    if (!json_word(r, "0") && !json_digits(r)) return 0;
    if (json_word(r, ".") && !json_digits(r)) return 0;
    if (json_word(r, "e") || json_word(r, "E")) {
        if (!json_word(r, "+")) json_word(r, "-");
        if (!json_digits(r)) return 0;
    }
    n = (size_t)(r->at - from);
    if (n >= sizeof copy) return 0;
    memcpy(copy, from, n);
    copy[n] = '\0';
    *number = strtod(copy, NULL);
    return 1;
}

static json *json_value(json_reader *r);

/* The elements or members of `node` up to `close`; 0 if they are malformed. */
static int json_members(json_reader *r, json *node, char close) {
    json **last = &node->child;
    if (json_take(r, close)) return 1;
    do {
        char *name = NULL;
        size_t len;
        if (node->kind == JSON_OBJECT) {
            if (!json_take(r, '"') || (name = json_string(r, &len)) == NULL) return 0;
            if (!json_take(r, ':')) {
                free(name);
                return 0;
            }
        }
        if ((*last = json_value(r)) == NULL) {
            free(name);
            return 0;
        }
        (*last)->name = name;
        last = &(*last)->next;
    } while (json_take(r, ','));
    return json_take(r, close);
}

static int json_fill(json_reader *r, json *node) {
    int good;
    json_blanks(r);
    if (r->at == r->end) return 0;
    if (json_word(r, "null")) return 1;
    node->kind = JSON_TRUE;
    if (json_word(r, "true")) return 1;
    node->kind = JSON_FALSE;
    if (json_word(r, "false")) return 1;
    if (json_word(r, "\"")) {
        node->kind = JSON_STRING;
        node->text = json_string(r, &node->len);
        return node->text != NULL;
    }
    if (*r->at != '[' && *r->at != '{') {
        node->kind = JSON_NUMBER;
        return json_number(r, &node->number);
    }
    node->kind = *r->at == '[' ? JSON_LIST : JSON_OBJECT;
    if (++r->depth > JSON_DEPTH_MAX) return 0;
    good = *r->at++ == '[' ? json_members(r, node, ']') : json_members(r, node, '}');
    r->depth--;
    return good;
}

static json *json_value(json_reader *r) {
    json *node = (json *)calloc(1, sizeof *node);
    if (node != NULL && !json_fill(r, node)) {
        json_free(node);
        node = NULL;
    }
    return node;
}

/* The tree of a text, or NULL; *stopped is then where it is malformed. */
static json *json_parse(const char *text, size_t len, size_t *stopped) {
    json_reader r;
    json *node;
    r.at = text;
    r.end = text + len;
    r.depth = 0;
    node = json_value(&r);
    json_blanks(&r);
    *stopped = (size_t)(r.at - text);
    if (node != NULL && r.at != r.end) {
        json_free(node);
        node = NULL;
    }
    return node;
}

#endif
