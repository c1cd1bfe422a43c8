/* A layer as `kernel/load.py` hands it over, and loops over its vectors that are unrolled whole. */
#pragma once
#include "lanes.h"

#define EACH(n) _Pragma("GCC unroll 4") for (int r = 0; r < n; r++)
#define ROWS(n) _Pragma("GCC unroll 12") for (int r = 0; r < n; r++)
#define PART(n) _Pragma("GCC unroll 4") for (int h = 0; h < n; h++)

typedef struct {
    int64_t first, rows;   /* inputs of the block */
    const int16_t *weight; /* g+ - g-, packed */
    const int16_t *cells[2]; /* g+ and g-, [column][row]; 0 where nothing saturates */
    const uint8_t *read;   /* variances, packed; 0 without */
    const float *count, *zero, *read_step, *scale, *offset;
    const float *white;             /* 0 without */
    const int32_t *phase, *counter; /* the most steps */
    const float *lines;             /* [kind][polarity][column] */
    const uint16_t *dither;         /* of each row */
    const float *worst;             /* the largest of lines, [panel][polarity][kind] */
    float all[2];                   /* the largest of worst, [kind] */
    float carry;
    uint32_t unused;
    uint64_t stream;
} stage_t;

typedef struct {
    int64_t inputs, columns, stages;
    const stage_t *stage;
    const float *output_step;
    float input_scale, levels, output_levels, asymmetry, limit;
    int32_t counting /* 0 none, 1 nearest, 2 down, 3 toward zero */;
    int32_t rounding /* 0 none, 1 toward zero, 2 nearest */, relu, four_phase;
} layer_t;

typedef struct { /* of one vector in one stage */
    uint32_t low, high;
    float step;
    float mean[2], spread[2]; /* of its positive and of its negative codes */
    int32_t suspect, squares; /* squares: their sum */
} vector_t;
