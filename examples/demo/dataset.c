#include "dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void give_up(const char *path, const char *what) {
    fprintf(stderr, "demo: %s: %s\n", path, what);
    exit(2);
}

static char *read_whole(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size;

    if (file == NULL) {
        give_up(path, strerror(errno));
    }
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
        fseek(file, 0, SEEK_SET) != 0) {
        give_up(path, "cannot tell its size");
    }
    text = malloc((size_t)size + 1);
    if (text == NULL) {
        give_up(path, "out of memory");
    }
    *len = fread(text, 1, (size_t)size, file);
    if (*len != (size_t)size || ferror(file)) {
        give_up(path, "short read");
    }
    text[*len] = '\0';
    fclose(file);
    return text;
}

/* Takes one line of `len` bytes apart. */
static void parse(const char *path, const char *line, size_t len, struct record *to) {
    const char *semicolon = memchr(line, ';', len);
    char *end;

    if (semicolon == NULL || semicolon == line || semicolon - line > 6) {
        give_up(path, "a line does not begin with a code point and a semicolon");
    }
    to->code_point = strtoul(line, &end, 16);
    if (end != semicolon) {
        give_up(path, "a code point is not hexadecimal");
    }
    to->key_len = (size_t)sprintf(to->key, "U+%.*s", (int)(semicolon - line), line);
    to->value = semicolon + 1;
    to->value_len = len - (size_t)(to->value - line);
}

struct dataset dataset_read(const char *path) {
    struct dataset data = {NULL, NULL, 0};
    size_t len, lines = 0;
    const char *at, *newline;

    data.text = read_whole(path, &len);
    for (at = data.text; (newline = strchr(at, '\n')) != NULL; at = newline + 1) {
        lines++;
    }
    data.records = calloc(lines == 0 ? 1 : lines, sizeof *data.records);
    if (data.records == NULL) {
        give_up(path, "out of memory");
    }
    for (at = data.text; (newline = strchr(at, '\n')) != NULL; at = newline + 1) {
        struct record *to = &data.records[data.count];
        parse(path, at, (size_t)(newline - at), to);
        if (data.count > 0 && to->code_point <= to[-1].code_point) {
            give_up(path, "code points are not in order");
        }
        data.count++;
    }
    if (data.count == 0) {
        give_up(path, "no record");
    }
    return data;
}

void dataset_free(struct dataset *data) {
    free(data->records);
    free(data->text);
}

const struct record *dataset_find(const struct dataset *data, const void *key, size_t key_len) {
    char text[KEY_SIZE];
    unsigned long code_point;
    size_t low = 0, high = data->count;

    if (key_len < 3 || key_len >= sizeof text) {
        return NULL;
    }
    memcpy(text, key, key_len);
    text[key_len] = '\0';
    code_point = strtoul(text + 2, NULL, 16);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (data->records[middle].code_point < code_point) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < data->count && data->records[low].key_len == key_len &&
        memcmp(data->records[low].key, key, key_len) == 0) {
        return &data->records[low];
    }
    return NULL;
}
