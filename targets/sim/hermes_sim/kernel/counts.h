/* From sums to output codes: noise, counts, LDPU, code. */
#pragma once
#include "normals.h"

typedef struct { /* some rows of a panel, each table [row][PANEL] but for `out` */
    int count, last;
    int64_t column, stride; /* of out */
    const vector_t *vector;
    const int32_t *sums, *more, *variance; /* more: of positive codes; 0 without asymmetry */
    float *before, *out;
} tile_t;

typedef struct { /* of LANES columns */
    vf step, zero, scale, offset, spread, flat, unit, least, most;
    vi word;
} lanes_t;

INLINE lanes_t lanes_of(const layer_t *layer, const stage_t *stage, const tile_t *tile, int64_t j)
{
    const vf none = F(set1)(0);
    return (lanes_t){
        .step = F(loadu)(stage->count + j), .zero = F(loadu)(stage->zero + j),
        .scale = F(loadu)(stage->scale + j), .offset = F(loadu)(stage->offset + j),
        .spread = stage->read ? F(loadu)(stage->read_step + j) : none,
        .flat = stage->white ? F(loadu)(stage->white + j) : none,
        .unit = tile->last ? F(loadu)(layer->output_step + j) : none,
        .least = F(set1)(layer->relu && tile->last ? 0 : -layer->output_levels),
        .most = F(set1)(layer->output_levels), .word = column_words(j),
    };
}

typedef struct { /* of a layer and a stage */
    int read, white, counting, rounding, cascade, rest;
} effects_t;

/* Noise of the counts of n rows. */
INLINE void add_noise(const int n, const effects_t on, const lanes_t *held, const vector_t *vector,
                      const int32_t *variances, vf *count)
{
    vi word[ABREAST];
    uint32_t high[ABREAST];
    vf z[ABREAST], variance[ABREAST];
    EACH(n) word[r] = add_i(held->word, set_i(vector[r].low));
    EACH(n) high[r] = vector[r].high;
    normals(n, word, high, z);
    EACH(n) {
        variance[r] = held->flat;
        if (on.read) {
            variance[r] = F(mul)(float_of(load_i(variances + r * PANEL)), F(set1)(vector[r].step));
            variance[r] = F(mul)(variance[r], held->spread);
            variance[r] = on.white ? F(add)(variance[r], held->flat) : variance[r];
        }
    }
    EACH(n) count[r] = F(add)(count[r], F(mul)(z[r], F(sqrt)(variance[r])));
}

/* From sums to output codes, of n rows of LANES columns from a place in the tile on. */
INLINE void finish_rows(const int n, const effects_t on, const layer_t *layer, const stage_t *stage,
                        const tile_t *tile, const lanes_t *held, int first, int64_t lane)
{
    const int64_t place = first * PANEL + lane;
    vf count[ABREAST];
    EACH(n) count[r] = float_of(load_i(tile->sums + place + r * PANEL));
    if (on.rest && tile->more)
        EACH(n) {
            vf more = float_of(load_i(tile->more + place + r * PANEL));
            count[r] = F(add)(count[r], F(mul)(more, F(set1)(layer->asymmetry)));
        }
    EACH(n) count[r] = F(add)(F(mul)(count[r], held->step), held->zero);
    if (on.rest && !layer->four_phase)
        EACH(n) count[r] = F(min)(F(max)(count[r], F(set1)(-layer->limit)), F(set1)(layer->limit));
    if (on.read || on.white)
        add_noise(n, on, held, tile->vector + first, tile->variance + place, count);
    if (on.counting)
        EACH(n) count[r] = on.counting == 1   ? round_even(count[r])
                           : on.counting == 2 ? round_down(count[r])
                                              : round_zero(count[r]);
    EACH(n) count[r] = F(add)(F(mul)(count[r], held->scale), held->offset);
    if (on.cascade)
        EACH(n) {
            vf before = F(loadu)(tile->before + place + r * PANEL);
            count[r] = F(add)(count[r], F(mul)(before, F(set1)(stage->carry)));
        }
    if (on.rounding) {
        EACH(n) count[r] = F(min)(F(max)(count[r], held->least), held->most);
        EACH(n) count[r] = on.rounding == 1 ? round_zero(count[r]) : round_even(count[r]);
    } else if (layer->relu && tile->last)
        EACH(n) count[r] = F(max)(count[r], F(set1)(0));
    if (tile->last)
        EACH(n) count[r] = F(mul)(count[r], held->unit);
    EACH(n) F(storeu)(tile->out + (first + r) * tile->stride + lane, count[r]);
}

INLINE void finish(const effects_t on, const layer_t *layer, const stage_t *stage,
                   const tile_t *given)
{
    const tile_t own = *given, *tile = &own; /* which no store can change */
    for (int64_t lane = 0; lane < PANEL; lane += LANES) {
        const lanes_t held = lanes_of(layer, stage, tile, tile->column + lane);
        int row = 0;
        for (; row + ABREAST <= tile->count; row += ABREAST)
            finish_rows(ABREAST, on, layer, stage, tile, &held, row, lane);
        for (; row < tile->count; row++)
            finish_rows(1, on, layer, stage, tile, &held, row, lane);
    }
}

/* The default chip's effects apart from all others, for a compiler makes the former twice as fast. */
static void finish_tile(const layer_t *layer, const stage_t *stage, const tile_t *tile)
{
    const effects_t on = {stage->read != 0, stage->white != 0, layer->counting, layer->rounding,
                          stage != layer->stage, !layer->four_phase || layer->asymmetry != 0};
    if (layer->counting != 1 || layer->rounding != 1 || on.white || on.rest)
        finish(on, layer, stage, tile);
    else if (on.cascade && on.read)
        finish((effects_t){1, 0, 1, 1, 1, 0}, layer, stage, tile);
    else if (on.cascade)
        finish((effects_t){0, 0, 1, 1, 1, 0}, layer, stage, tile);
    else if (on.read)
        finish((effects_t){1, 0, 1, 1, 0, 0}, layer, stage, tile);
    else
        finish((effects_t){0, 0, 1, 1, 0, 0}, layer, stage, tile);
}
