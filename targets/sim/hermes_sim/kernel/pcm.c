/* How phase-change devices are programmed, drift and are read, in one pass over a core's devices.
 *
 * With -ffp-contract=off it has the bits of `device_noise`, `pcm` and `flicker`, which are its
 * definition, and of `elementary`'s logarithms and exponentials.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define BLOCK 256 /* devices */
#define ROW 4096  /* noise._ROW */

typedef struct { /* chip.tables.devices.Curve; the largest power's coefficient is the last one */
    float below, log_slope, log_offset, low, high;
    int32_t powers;
    const float *polynomial;
} curve_t;

typedef void fill_t(uint64_t stream, const uint64_t *reads, int64_t rows, int64_t columns, float *out);

static inline int32_t bits_of(float value)
{
    union { float value; int32_t bits; } both = {.value = value};
    return both.bits;
}

static inline float float_of(int32_t bits)
{
    union { int32_t bits; float value; } both = {.bits = bits};
    return both.value;
}

/* elementary.log */
static inline float logarithm(float x)
{
    int32_t bits = bits_of(x), power = (bits - 0x3F3504F3) >> 23;
    float f = float_of(bits - (int32_t)((uint32_t)power << 23)) - 1, whole = (float)power;
    float square = f * f, y = 7.0376836292e-2f;
    y = y * f + -1.1514610310e-1f;
    y = y * f + 1.1676998740e-1f;
    y = y * f + -1.2420140846e-1f;
    y = y * f + 1.4249322787e-1f;
    y = y * f + -1.6668057665e-1f;
    y = y * f + 2.0000714765e-1f;
    y = y * f + -2.4999993993e-1f;
    y = y * f + 3.3333331174e-1f;
    y = y * f * square + whole * -2.12194440e-4f;
    return y - square * 0.5f + f + whole * 0.693359375f;
}

/* elementary.exp, of what is cut off at 87 */
static inline float exponential(float x)
{
    float whole = rintf(x * 1.44269504f);
    x = x - whole * 0.693359375f - whole * -2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * x + 1.3981999507e-3f;
    y = y * x + 8.3334519073e-3f;
    y = y * x + 4.1665795894e-2f;
    y = y * x + 1.6666665459e-1f;
    y = y * x + 5.0000001201e-1f;
    y = y * (x * x) + x + 1;
    return y * float_of(((int32_t)whole + 127) << 23);
}

/* device_noise.polynomial */
static void polynomial(const float *coefficients, int powers, const float *restrict r, int count,
                       float *restrict out)
{
    for (int i = 0; i < count; i++)
        out[i] = coefficients[powers - 1];
    for (int k = powers - 2; k >= 0; k--)
        for (int i = 0; i < count; i++)
            out[i] = out[i] * r[i] + coefficients[k];
}

/* device_noise.curve */
static void curve(const curve_t *c, const float *restrict r, const float *restrict log_r, int count,
                  float *restrict out)
{
    const float slope = c->log_slope, offset = c->log_offset, low = c->low, high = c->high;
    const float below = c->below;
    polynomial(c->polynomial, c->powers, r, count, out);
    for (int i = 0; i < count; i++) {
        float small = log_r[i] * slope + offset;
        small = small < low ? low : small;
        small = small > high ? high : small;
        out[i] = r[i] < below ? small : out[i];
    }
}

/* Shares of the largest conductance and their logarithms. */
static void shares(const float *restrict g, float most, int count, float *restrict r,
                   float *restrict log_r)
{
    for (int i = 0; i < count; i++) {
        float share = g[i] / most;
        share = share < 1e-7f ? 1e-7f : share;
        r[i] = share > 1 ? 1 : share;
    }
    for (int i = 0; i < count; i++) /* apart, or a compiler branches on what is cut off */
        log_r[i] = logarithm(r[i]);
}

#define EACH_BLOCK                                                                                 \
    for (int64_t i = 0, part; part = count - i < BLOCK ? count - i : BLOCK, i < count; i += part)

/* device_noise.read_noise */
EXPORT void hermes_read_noise(const curve_t *strength, float most, float root, const float *aged,
                              const float *written, int64_t count, float *restrict out)
{
    float r[BLOCK], log_r[BLOCK], q[BLOCK];
    EACH_BLOCK {
        shares(written + i, most, (int)part, r, log_r);
        curve(strength, r, log_r, (int)part, q);
        for (int k = 0; k < part; k++)
            out[i + k] = q[k] * aged[i + k] * root;
    }
}

/* pcm.drift_exponent; `normal` becomes the exponents */
EXPORT void hermes_exponents(const curve_t *mean, const curve_t *spread, float most, const float *g,
                             int64_t count, float *restrict normal)
{
    float r[BLOCK], log_r[BLOCK], centre[BLOCK], width[BLOCK];
    EACH_BLOCK {
        shares(g + i, most, (int)part, r, log_r);
        curve(mean, r, log_r, (int)part, centre);
        curve(spread, r, log_r, (int)part, width);
        for (int k = 0; k < part; k++)
            normal[i + k] = fabsf(normal[i + k] * width[k] + centre[k]);
    }
}

/* pcm.program_devices; `normal` becomes the conductances. `read` is 0 without. */
EXPORT void hermes_programmed(const float *microsiemens, int32_t powers, float most,
                              const float *target, const float *read, int64_t count,
                              float *restrict normal)
{
    float r[BLOCK], sigma[BLOCK];
    EACH_BLOCK {
        for (int k = 0; k < part; k++)
            r[k] = target[i + k] / most;
        polynomial(microsiemens, powers, r, (int)part, sigma);
        for (int k = 0; k < part; k++)
            sigma[k] *= 1e-6f;
        if (read)
            for (int k = 0; k < part; k++) {
                float square = sigma[k] * sigma[k] - read[i + k] * read[i + k];
                sigma[k] = sqrtf(square < 0 ? 0 : square);
            }
        for (int k = 0; k < part; k++) {
            float written = normal[i + k] * sigma[k] + target[i + k];
            normal[i + k] = written < 0 ? 0 : written;
        }
    }
}

/* pcm.drift; `power` is the logarithm of the ratio of times, with its sign changed */
EXPORT void hermes_drift(const float *g, const float *nu, float power, int64_t count,
                         float *restrict out)
{
    float exponent[BLOCK];
    EACH_BLOCK {
        for (int k = 0; k < part; k++) {
            float x = nu[i + k] * power;
            x = x < -87 ? -87 : x;
            exponent[k] = x > 87 ? 87 : x;
        }
        for (int k = 0; k < part; k++)
            out[i + k] = exponential(exponent[k]) * g[i + k];
    }
}

/* noise.fill; `fill` is layer.c's hermes_normals */
EXPORT void hermes_fill(fill_t *fill, uint64_t stream, int64_t count, float *out)
{
    for (uint64_t row = 0; (int64_t)row * ROW < count; row++) {
        int64_t left = count - (int64_t)row * ROW;
        fill(stream, &row, 1, left < ROW ? left : ROW, out + row * ROW);
    }
}

/* flicker.wander; `fill` is layer.c's hermes_normals */
EXPORT void hermes_wander(fill_t *fill, const uint64_t *streams, const float *weights, int64_t draws,
                          int64_t count, float *restrict out)
{
    float normal[ROW];
    memset(out, 0, count * sizeof(float));
    for (uint64_t row = 0; (int64_t)row * ROW < count; row++) {
        float *place = out + row * ROW;
        int64_t left = count - (int64_t)row * ROW, part = left < ROW ? left : ROW;
        for (int64_t d = 0; d < draws; d++) {
            fill(streams[d], &row, 1, part, normal);
            const float weight = weights[d];
            for (int64_t i = 0; i < part; i++)
                place[i] += normal[i] * weight;
        }
    }
}
