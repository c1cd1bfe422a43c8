/* What ops/unfold.py does with images: the vectors that a window sees, written beside each other. */
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* out: [positions][taps of three dimensions][width] bytes, for the positions from[] to to[] of images
   and three outputs in raster order; x: [images][sizes 0][sizes 1][sizes 2][width] bytes; taken[d]:
   the input of each tap, [outputs][taps], below 0 where it is zero */
EXPORT void hermes_unfold(const char *x, int64_t width, const int64_t *sizes, const int64_t *taps,
                          const int64_t *const *taken, const int64_t *from, const int64_t *to,
                          char *out)
{
    for (int64_t image = from[0]; image < to[0]; image++)
        for (int64_t a = from[1]; a < to[1]; a++)
            for (int64_t b = from[2]; b < to[2]; b++)
                for (int64_t c = from[3]; c < to[3]; c++)
                    for (int64_t i = 0; i < taps[0]; i++)
                        for (int64_t j = 0; j < taps[1]; j++) {
                            int64_t high = taken[0][a * taps[0] + i];
                            int64_t row = taken[1][b * taps[1] + j];
                            const int64_t *places = taken[2] + c * taps[2];
                            const char *line =
                                x + ((image * sizes[0] + high) * sizes[1] + row) * sizes[2] * width;
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
}
