/* cc hello.c $(pkg-config --cflags --libs warp-engine) */
#include <stdio.h>
#include <warp_engine.h>

int main(void) {
    warp_db *db;
    char buf[16];
    size_t len;
    if (warp_open("hello.db", NULL, &db) != WARP_OK ||
        warp_put(db, "planet", 6, "earth", 5) != WARP_OK ||
        warp_get(db, "planet", 6, buf, sizeof buf, &len) != WARP_OK)
        return fprintf(stderr, "%s\n", warp_last_error()), 1;
    printf("planet: %.*s\n", (int)len, buf);
    return warp_close(db) == WARP_OK ? 0 : 1;
}
