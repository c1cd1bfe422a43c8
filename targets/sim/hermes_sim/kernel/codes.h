/* Input codes, and what follows from those of a vector: its squares, and what it may saturate. */
#pragma once
#include "layer.h"
#include <stdlib.h>

#define NONE INT16_MIN /* the code of what is no number */
#define STEPS 127      /* of a square */

/* 16 inputs to 16 codes of 16 bits; the sum of all codes, if one is no number, is none. */
INLINE vf codes16(const float *x, float scale, float levels, int16_t *out, vf sum)
{
    vi code[PARTS];
    PART(PARTS) {
        vf y = F(mul)(F(loadu)(x + h * LANES), F(set1)(scale));
        y = F(min)(F(set1)(levels), F(max)(F(set1)(-levels), y)); /* in this order it stays none */
        sum = F(add)(sum, y);
        code[h] = nearest_of(y);
    }
    store_codes(out, code);
    return sum;
}

/* Numbers to codes; returns whether one is none, and such a code is NONE. */
static int codes_of(const layer_t *layer, const float *x, int64_t count, int16_t *codes)
{
    vf sum = F(set1)(0);
    int64_t i = 0;
    for (; i + 16 <= count; i += 16)
        sum = codes16(x + i, layer->input_scale, layer->levels, codes + i, sum);
    if (i < count) {
        float rest[16] = {0};
        int16_t some[16];
        memcpy(rest, x + i, (count - i) * sizeof(float));
        sum = codes16(rest, layer->input_scale, layer->levels, some, sum);
        memcpy(codes + i, some, (count - i) * sizeof(int16_t));
    }
    int bad = no_number(sum);
    for (i = 0; bad && i < count; i++)
        codes[i] = x[i] == x[i] ? codes[i] : NONE;
    return bad;
}

/* How much of what a line may take a vector may take at most. */
static void bounds(const stage_t *stage, const int16_t *codes, vector_t *vector)
{
    const vc none = set_c(0), one = set_c(1);
    vd sums[2] = {zero_d(), zero_d()}, squares[2] = {zero_d(), zero_d()};
    for (int64_t i = 0; i < stage->rows; i += CODES) {
        vc code = load_c(codes + i), part[2] = {max_c(code, none), min_c(code, none)};
        for (int sign = 0; sign < 2; sign++) {
            sums[sign] = dot_d(sums[sign], part[sign], one);
            squares[sign] = dot_d(squares[sign], part[sign], part[sign]);
        }
    }
    vector->suspect = 0;
    for (int sign = 0; sign < 2; sign++) {
        int32_t total = total_d(sums[sign]);
        float mean = (float)abs(total) / (float)stage->rows;
        float spread = (float)total_d(squares[sign]) - (float)stage->rows * mean * mean;
        vector->mean[sign] = mean;
        vector->spread[sign] = spread > 0 ? __builtin_sqrtf(spread) : 0;
        vector->suspect |=
            mean * stage->all[0] + vector->spread[sign] * stage->all[1] > 1 - 1e-5f;
    }
}

/* integers.squared */
static void squares(const stage_t *stage, const int16_t *codes, uint8_t *out, vector_t *vector)
{
    vc most = set_c(0);
    for (int64_t i = 0; i < stage->rows; i += CODES)
        most = max_c(most, abs_c(load_c(codes + i)));
    int32_t largest = largest_c(most), step = (largest * largest + STEPS - 1) / STEPS;
    step = step > 0 ? step : 1;
    vector->step = (float)step;
    const divisor_t divisor = divisor_of(step);
    const vc factor = set_c((int16_t)step), one = set_c(1);
    vd sum = zero_d();
    for (int64_t i = 0; i < stage->rows; i += CODES) {
        vc code = load_c(codes + i), added = high_c(load_c(stage->dither + i), factor);
        vc square = quotients(add_c(mul_c(code, code), added), divisor);
        sum = dot_d(sum, square, one);
        store_bytes(out + i, square);
    }
    vector->squares = total_d(sum);
}
