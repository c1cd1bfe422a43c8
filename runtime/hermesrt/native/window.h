/* What a window sees at one of its positions. */
#pragma once
#include <stdint.h>
#include <string.h>

typedef struct { /* of three dimensions each */
    int64_t sizes[3], taps[3], outputs[3];
    const int64_t *taken[3]; /* the input of each tap, [outputs][taps], below 0 where it is zero */
} window_t;

/* Write the taps at position (a, b, c) of an image [sizes 0][sizes 1][sizes 2][width], in bytes,
   beside each other; returns the end. */
static char *window_at(const window_t *window, const char *image, int64_t width, int64_t a,
                       int64_t b, int64_t c, char *out)
{
    const int64_t *sizes = window->sizes, *taps = window->taps;
    const int64_t *places = window->taken[2] + c * taps[2];
    for (int64_t i = 0; i < taps[0]; i++)
        for (int64_t j = 0; j < taps[1]; j++) {
            int64_t high = window->taken[0][a * taps[0] + i];
            int64_t row = window->taken[1][b * taps[1] + j];
            const char *line = image + (high * sizes[1] + row) * sizes[2] * width;
            for (int64_t k = 0, many; k < taps[2]; k += many) {
                int none = high < 0 || row < 0 || places[k] < 0;
                for (many = 1; k + many < taps[2]; many++) /* together */
                    if (none ? high >= 0 && row >= 0 && places[k + many] >= 0
                             : places[k + many] != places[k] + many)
                        break;
                if (none)
                    memset(out, 0, many * width);
                else
                    memcpy(out, line + places[k] * width, many * width);
                out += many * width;
            }
        }
    return out;
}
