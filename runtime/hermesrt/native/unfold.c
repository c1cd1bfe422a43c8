/* What ops/unfold.py does with images: the vectors that a window sees, written beside each other. */
#include "window.h"

#define EXPORT __attribute__((visibility("default")))

/* out: [positions][taps of three dimensions][width] bytes, for the positions from[] to to[] of images
   and three outputs in raster order; x: [images][sizes 0][sizes 1][sizes 2][width] bytes */
EXPORT void hermes_unfold(const window_t *window, const char *x, int64_t width, const int64_t *from,
                          const int64_t *to, char *out)
{
    const int64_t *sizes = window->sizes, image = sizes[0] * sizes[1] * sizes[2] * width;
    for (int64_t i = from[0]; i < to[0]; i++)
        for (int64_t a = from[1]; a < to[1]; a++)
            for (int64_t b = from[2]; b < to[2]; b++)
                for (int64_t c = from[3]; c < to[3]; c++)
                    out = window_at(window, x + i * image, width, a, b, c, out);
}
