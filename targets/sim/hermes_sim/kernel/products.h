/* Products of codes with weights, and of squares with variances, in whole numbers. */
#pragma once
#include "layer.h"

/* Products of n rows of 2 x 16 bits with a panel, to sums[n][PANEL]. */
INLINE void word_tile(const int n, const int16_t *a, int64_t stride, const int16_t *panel,
                      int64_t groups, const vector_t *vector, int32_t *sums)
{
    (void)vector;
    vi sum[TILE][PARTS];
    words_t held[PARTS];
    ROWS(n) PART(PARTS) sum[r][h] = set_i(0);
    for (int64_t k = 0; k < groups; k++) {
        PART(PARTS) held[h] = words_load(panel + (k * PANEL + h * LANES) * 2);
        ROWS(n) words_row(sum[r], a + r * stride + k * 2, held);
    }
    ROWS(n) PART(PARTS) store_i(sums + r * PANEL + h * LANES, sum[r][h]);
}

/* Products of n rows of 4 x 8 bits with a panel, some columns after the other, in pairs of groups. */
INLINE void byte_tile(const int n, const uint8_t *a, int64_t stride, const uint8_t *panel,
                      int64_t groups, const vector_t *vector, int32_t *sums)
{
    for (int64_t first = 0; first < PANEL; first += BYTE_PARTS * LANES) {
        vi sum[TILE][BYTE_PARTS];
        bytes_t held[2][BYTE_PARTS];
        ROWS(n) PART(BYTE_PARTS) sum[r][h] = bytes_start(vector[r].squares);
        int64_t k = 0;
        for (; k + 2 <= groups; k += 2) {
            PART(BYTE_PARTS) held[0][h] = bytes_near(panel + (k * PANEL + first + h * LANES) * 4);
            PART(BYTE_PARTS) held[1][h] = bytes_near(panel + ((k + 1) * PANEL + first + h * LANES) * 4);
            ROWS(n) bytes_row(sum[r], a + r * stride + k * 4, held[0], held[1]);
        }
        if (k < groups) {
            PART(BYTE_PARTS) held[0][h] = bytes_near(panel + (k * PANEL + first + h * LANES) * 4);
            ROWS(n) PART(BYTE_PARTS) sum[r][h] =
                bytes(sum[r][h], same_i(a + r * stride + k * 4), held[0][h]);
        }
        ROWS(n) PART(BYTE_PARTS) store_i(sums + r * PANEL + first + h * LANES, sum[r][h]);
    }
}

/* For any number of rows up to TILE. */
#define PRODUCT(name, type, group, multiply)                                                       \
    /* of one row: four sums at a time hide the latency of adding */                               \
    static void name##_row(const type *a, const type *panel, int64_t groups, int32_t *sums)        \
    {                                                                                              \
        vi sum[4][PARTS];                                                                          \
        for (int i = 0; i < 4; i++)                                                                \
            PART(PARTS) sum[i][h] = set_i(0);                                                      \
        int64_t k = 0;                                                                             \
        for (; k + 4 <= groups; k += 4)                                                            \
            _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++)                                    \
                PART(PARTS) sum[i][h] = multiply(sum[i][h], same_i(a + (k + i) * group),           \
                    multiply##_load(panel + ((k + i) * PANEL + h * LANES) * group));               \
        for (; k < groups; k++)                                                                    \
            PART(PARTS) sum[0][h] = multiply(sum[0][h], same_i(a + k * group),                     \
                multiply##_load(panel + (k * PANEL + h * LANES) * group));                         \
        PART(PARTS) store_i(sums + h * LANES, add_i(add_i(sum[0][h], sum[1][h]),                   \
                                                    add_i(sum[2][h], sum[3][h])));                 \
    }                                                                                              \
    static void name##_product(int count, const type *a, int64_t stride, const type *panel,        \
                               int64_t groups, const vector_t *vector, int32_t *sums)              \
    {                                                                                              \
        if (count == TILE)                                                                         \
            name##_tile(TILE, a, stride, panel, groups, vector, sums);                             \
        else                                                                                       \
            while (count > 0) {                                                                    \
                int part = count >= 4 ? 4 : count >= 2 ? 2 : 1;                                    \
                if (part == 4)                                                                     \
                    name##_tile(4, a, stride, panel, groups, vector, sums);                        \
                else if (part == 2)                                                                \
                    name##_tile(2, a, stride, panel, groups, vector, sums);                        \
                else                                                                               \
                    name##_row(a, panel, groups, sums);                                            \
                a += part * stride, sums += part * PANEL, vector += part, count -= part;           \
            }                                                                                      \
    }

PRODUCT(word, int16_t, 2, words)
PRODUCT(byte, uint8_t, 4, bytes)
