/* What devices do to weights, for a step of training: `device_curves.torch_error` and
 * `torch_variances` in one pass over memory, with their bits (-ffp-contract=off).
 *
 * A matrix is [rows][columns]. `unit`, what the largest weight of a column stands for, is one number
 * for each row, or for each column where `by_column`. Polynomials have the constant first.
 */
#include <math.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

INLINE float mean_of(const float *c, float r) { return (r * c[2] + c[1]) * r + c[0]; }

INLINE float deviation_of(const float *c, float r)
{
    return ((r * c[3] + c[2]) * r + c[1]) * r + c[0];
}

INLINE float variance_of(const float *c, float r)
{
    float found = (((r * c[4] + c[3]) * r + c[2]) * r + c[1]) * r + c[0];
    return found > 0 ? found : 0;
}

INLINE float error_of(float weight, float unit, float normal, const float *mean,
                      const float *deviation)
{
    float share = weight / unit, size = fabsf(share);
    float sign = (float)((share > 0) - (share < 0));
    return (normal * deviation_of(deviation, size) + mean_of(mean, size) * sign) * unit;
}

/* Normal numbers become errors, in place. */
EXPORT void hermes_errors(const float *restrict weight, const float *restrict unit,
                          float *restrict normal, int64_t rows, int64_t columns, int32_t by_column,
                          const float *restrict mean, const float *restrict deviation)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *w = weight + i * columns;
        float *z = normal + i * columns, own = unit[by_column ? 0 : i];
        if (by_column)
            for (int64_t j = 0; j < columns; j++)
                z[j] = error_of(w[j], unit[j], z[j], mean, deviation);
        else
            for (int64_t j = 0; j < columns; j++)
                z[j] = error_of(w[j], own, z[j], mean, deviation);
    }
}

EXPORT void hermes_variances(const float *restrict weight, const float *restrict unit,
                             float *restrict found, int64_t rows, int64_t columns,
                             int32_t by_column, const float *restrict read)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *w = weight + i * columns;
        float *v = found + i * columns, own = unit[by_column ? 0 : i];
        if (by_column)
            for (int64_t j = 0; j < columns; j++)
                v[j] = variance_of(read, fabsf(w[j]) / unit[j]) * (unit[j] * unit[j]);
        else
            for (int64_t j = 0; j < columns; j++)
                v[j] = variance_of(read, fabsf(w[j]) / own) * (own * own);
    }
}
