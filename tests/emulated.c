/* Calls functions of a shared library as it is told on standard input; see emulated.py.
 *
 * A call: the name's length and the name; how many pieces of memory; of each its address there, its
 * bytes and whether pointers are in it; 8 whole and 8 FP32 arguments, whose registers an arm64 call
 * counts apart; the pieces. An answer: the result, the pieces.
 * Addresses in arguments and pieces become those of the copies here, and back. Between the copies
 * lie bytes that are no sensible number of any kind.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 64
#define MOST 256

typedef int64_t call_t(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, float,
                       float, float, float, float, float, float, float);
typedef struct {
    uint64_t address, bytes, pointers;
} piece_t;

static piece_t there[MOST], here[MOST];
static uint64_t pieces;

static void take(void *place, size_t bytes)
{
    if (bytes && fread(place, bytes, 1, stdin) != 1)
        exit(feof(stdin) ? 0 : 1);
}

/* An address in one of some pieces becomes that in the same piece of others. */
static uint64_t moved(uint64_t value, const piece_t *from, const piece_t *to)
{
    for (uint64_t i = 0; i < pieces; i++)
        if (value >= from[i].address && value < from[i].address + from[i].bytes)
            return value - from[i].address + to[i].address;
    return value;
}

static void move_pointers(const piece_t *from, const piece_t *to)
{
    for (uint64_t i = 0; i < pieces; i++)
        for (uint64_t k = 0; here[i].pointers && k + 8 <= here[i].bytes; k += 8) {
            uint64_t *word = (uint64_t *)(here[i].address + k);
            *word = moved(*word, from, to);
        }
}

int main(int count, char **names)
{
    void *library = count == 2 ? dlopen(names[1], RTLD_NOW) : 0;
    if (!library) {
        fprintf(stderr, "%s\n", count == 2 ? dlerror() : "which library?");
        return 2;
    }
    for (;;) {
        uint64_t length, all = GAP, arguments[8];
        float real[8];
        char name[64] = {0};
        take(&length, 8);
        take(name, length < 63 ? length : 63);
        take(&pieces, 8);
        if (pieces > MOST)
            return 3;
        take(there, pieces * sizeof(piece_t));
        take(arguments, sizeof(arguments));
        take(real, sizeof(real));
        for (uint64_t i = 0; i < pieces; i++)
            all += (there[i].bytes + 63) / 64 * 64 + GAP;
        char *held = aligned_alloc(64, all), *next = held + GAP;
        memset(held, 0xA5, all);
        for (uint64_t i = 0; i < pieces; i++) {
            here[i] = (piece_t){(uint64_t)next, there[i].bytes, there[i].pointers};
            take(next, there[i].bytes);
            next += (there[i].bytes + 63) / 64 * 64 + GAP;
        }
        move_pointers(there, here);
        for (int i = 0; i < 8; i++)
            arguments[i] = moved(arguments[i], there, here);
        call_t *call = (call_t *)dlsym(library, name);
        if (!call)
            return 4;
        int64_t result = call(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                              arguments[5], arguments[6], arguments[7], real[0], real[1], real[2],
                              real[3], real[4], real[5], real[6], real[7]);
        move_pointers(here, there);
        fwrite(&result, 8, 1, stdout);
        for (uint64_t i = 0; i < pieces; i++)
            fwrite((void *)here[i].address, here[i].bytes, 1, stdout);
        fflush(stdout);
        free(held);
    }
}
