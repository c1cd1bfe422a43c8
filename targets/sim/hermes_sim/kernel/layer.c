/* One layer of the simulated chip in one pass: input codes, sums, phases, noise, counts, LDPU, code.
 *
 * Compiled once for each instruction set, whose vectors lanes.h has, and with -ffp-contract=off: its
 * outputs have the bits of `integers.TorchLayer`, which is its definition.
 *
 * Rows are taken in blocks that fit the second cache, columns in panels of 16 whose weights stay in
 * the first. Packed weights are [panel][row / 2][column][row % 2], variances
 * [panel][row / 4][column][row % 4]; rows and columns are filled up with zeros.
 */
#include "lanes.h"
#include "window.h"
#include <stdlib.h>

#define BLOCK 96  /* rows of inputs */
#define PIXELS (1 << 16) /* numbers of images whose codes are kept */
#define NONE INT16_MIN /* the code of what is no number */
#define STEPS 127 /* of a square */
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

static uint64_t mix(uint64_t key) /* reads.mix */
{
    key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCDu;
    key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53u;
    return key ^ (key >> 33);
}

/* What columns first + 1, ..., first + LANES add to a key. */
INLINE vi column_words(int64_t first)
{
    return mul_i(add_i(lane_numbers(), set_i((uint32_t)first)), set_i(0x9E3779B1u));
}

/* noise.normals of n vectors of words, which are keys plus column words. Step by step abreast: each is
   one long chain of operations that wait for each other. */
INLINE void normals(const int n, vi *word, const uint32_t *high, vf *z)
{
    vi second[ABREAST];
    vf square[ABREAST], factor[ABREAST];
    EACH(n) word[r] = xor_i(word[r], shift_i(word[r], 16));
    EACH(n) word[r] = mul_i(word[r], set_i(high[r]));
    EACH(n) word[r] = xor_i(word[r], shift_i(word[r], 15));
    EACH(n) word[r] = mul_i(word[r], set_i(0x2C1B3C6Du));
    EACH(n) second[r] = mul_i(word[r], set_i(0x85EBCA6Bu));
    EACH(n) word[r] = xor_i(word[r], shift_i(word[r], 16));
    EACH(n) second[r] = xor_i(second[r], shift_i(second[r], 13));
    EACH(n) word[r] = add_i(byte_sums(word[r], second[r]), shift_i(second[r], 24));
    EACH(n) z[r] = F(sub)(float_of(word[r]), F(set1)(261247.5f));
    EACH(n) z[r] = F(mul)(z[r], F(set1)((float)(1 / 53535.68399908607)));
    EACH(n) square[r] = F(mul)(z[r], z[r]);
    EACH(n) factor[r] = F(mul)(square[r], F(set1)(1.3984690e-05f));
    EACH(n) factor[r] = F(mul)(F(add)(factor[r], F(set1)(3.4930709e-05f)), square[r]);
    EACH(n) factor[r] = F(mul)(F(add)(factor[r], F(set1)(0.0061149545f)), square[r]);
    EACH(n) z[r] = F(mul)(z[r], F(add)(factor[r], F(set1)(0.98091213f)));
}

/* Normal numbers of whole rows; `out` has room for a multiple of 16 columns in each. */
EXPORT void hermes_normals(uint64_t stream, const uint64_t *reads, int64_t rows, int64_t columns,
                           float *out)
{
    float part[LANES];
    for (int64_t r = 0; r < rows; r++) {
        uint64_t key = mix(reads[r] ^ stream);
        for (int64_t j = 0; j < columns; j += LANES) {
            vi word = add_i(column_words(j), set_i((uint32_t)key));
            uint32_t high = (uint32_t)(key >> 32) | 1;
            vf z;
            normals(1, &word, &high, &z);
            float *place = out + r * columns + j;
            if (j + LANES <= columns) {
                F(storeu)(place, z);
                continue;
            }
            F(storeu)(part, z);
            memcpy(place, part, (columns - j) * sizeof(float));
        }
    }
}

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

/* One phase of a line: codes of one sign times conductances of one polarity. */
INLINE int32_t phase_sum(const int16_t *codes, const int16_t *line, int64_t rows, int sign)
{
    const vc none = set_c(0);
    vd sum = zero_d();
    for (int64_t i = 0; i < rows; i += CODES) {
        vc code = load_c(codes + i);
        code = max_c(sign ? sub_c(none, code) : code, none);
        sum = dot_d(sum, code, load_c(line + i));
    }
    return total_d(sum);
}

/* The columns of a panel in which a phase of one sign and polarity may saturate. */
INLINE int suspects(const stage_t *stage, const vector_t *vector, int64_t panel, int64_t columns,
                    int sign, int polarity)
{
    const float *worst = stage->worst + (panel * 2 + polarity) * 2;
    if (!(vector->mean[sign] * worst[0] + vector->spread[sign] * worst[1] > 1 - 1e-5f))
        return 0;
    const float *line = stage->lines + polarity * columns + panel * PANEL;
    int lanes = 0;
    for (int h = 0; h < PARTS; h++) {
        vf mean = F(mul)(F(set1)(vector->mean[sign]), F(loadu)(line + h * LANES));
        vf spread = F(mul)(F(set1)(vector->spread[sign]), F(loadu)(line + h * LANES + 2 * columns));
        lanes |= over(F(add)(mean, spread), F(set1)(1 - 1e-5f)) << h * LANES;
    }
    return lanes;
}

/* integers.four_phases, of a vector and a column */
static int32_t stopped(const stage_t *stage, const int16_t *codes, int64_t column)
{
    int64_t length = (stage->rows + 15) / 16 * 16, most = stage->phase[column];
    int64_t counter = stage->counter[column], count[2];
    for (int c = 0; c < 2; c++) { /* counter c: sign 0 with polarity c, sign 1 with the other */
        int64_t up = phase_sum(codes, stage->cells[c] + column * length, length, 0);
        int64_t down = phase_sum(codes, stage->cells[1 - c] + column * length, length, 1);
        count[c] = (up < most ? up : most) + (down < most ? down : most);
        count[c] = count[c] < counter ? count[c] : counter;
    }
    return (int32_t)(count[0] - count[1]);
}

/* Replace the sums of the columns of a panel that a vector saturates. */
static void stop_phases(const stage_t *stage, const vector_t *vector, const int16_t *codes,
                        int64_t panel, int64_t columns, int32_t *sums)
{
    int64_t length = (stage->rows + 15) / 16 * 16;
    for (int i = 0; i < 4; i++) /* each sign with each polarity */
        for (int lanes = suspects(stage, vector, panel, columns, i / 2, i % 2); lanes;
             lanes &= lanes - 1) {
            int64_t lane = __builtin_ctz(lanes), column = panel * PANEL + lane;
            const int16_t *line = stage->cells[i % 2] + column * length;
            int32_t sum = phase_sum(codes, line, length, i / 2);
            if (sum > stage->phase[column] || sum > stage->counter[column] / 2)
                sums[lane] = stopped(stage, codes, column);
        }
}

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

typedef struct { /* room of a block of vectors */
    int64_t stride;          /* codes of a vector */
    int16_t *codes, *positive;
    uint8_t *square;
    vector_t *vector; /* [stage][row] */
    int8_t *bad;
    float *value;    /* [row][PANEL] */
    int16_t *images; /* their codes, for windows */
    int16_t *window; /* codes of one */
    void *held;
} room_t;

/* For at most so many vectors, and so many codes of images; without memory nothing is held. */
static room_t room_of(const layer_t *layer, int64_t most, int64_t pixels)
{
    room_t room = {.stride = 0};
    for (int64_t s = 0; s < layer->stages; s++)
        room.stride += (layer->stage[s].rows + 31) / 16 * 16;
    int64_t words = layer->asymmetry != 0 ? 2 : 1, window = pixels ? layer->inputs : 0;
    size_t sizes[] = {most * room.stride * words * sizeof(int16_t), most * room.stride,
                      layer->stages * BLOCK * sizeof(vector_t), most * PANEL * sizeof(float), BLOCK,
                      pixels * sizeof(int16_t), window * sizeof(int16_t)};
    char *next[7];
    size_t bytes = 64;
    for (int i = 0; i < 7; i++)
        bytes += (sizes[i] + 63) / 64 * 64;
    room.held = malloc(bytes);
    if (!room.held)
        return room;
    next[0] = (char *)(((uintptr_t)room.held + 63) / 64 * 64);
    for (int i = 1; i < 7; i++)
        next[i] = next[i - 1] + (sizes[i - 1] + 63) / 64 * 64;
    room.codes = (int16_t *)next[0], room.positive = room.codes + most * room.stride;
    room.square = (uint8_t *)next[1], room.vector = (vector_t *)next[2];
    room.value = (float *)next[3], room.bad = (int8_t *)next[4];
    room.images = (int16_t *)next[5], room.window = (int16_t *)next[6];
    memset(room.codes, 0, sizes[0]); /* what fills vectors up is zero */
    memset(room.square, 0, sizes[1]);
    return room;
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

/* What follows from the codes of a vector. */
static void prepare(const layer_t *layer, const room_t *room, uint64_t read, int64_t row)
{
    int64_t place = row * room->stride;
    for (int64_t s = 0; s < layer->stages; s++) {
        const stage_t *stage = layer->stage + s;
        vector_t *vector = room->vector + s * BLOCK + row;
        int16_t *codes = room->codes + place;
        if (room->bad[row])
            memset(codes, 0, stage->rows * sizeof(int16_t));
        if (layer->asymmetry != 0)
            for (int64_t k = 0; k < stage->rows + 15; k++)
                room->positive[place + k] = codes[k] > 0 ? codes[k] : 0;
        if (stage->cells[0])
            bounds(stage, codes, vector);
        if (stage->read)
            squares(stage, codes, room->square + place, vector);
        uint64_t key = mix(read ^ stage->stream);
        vector->low = (uint32_t)key;
        vector->high = (uint32_t)(key >> 32) | 1;
        place += (stage->rows + 31) / 16 * 16;
    }
}

/* The codes of a vector, each stage's apart. */
static void take_vector(const layer_t *layer, const room_t *room, const float *x, uint64_t read,
                        int64_t row)
{
    int16_t *codes = room->codes + row * room->stride;
    int bad = 0;
    for (int64_t s = 0; s < layer->stages; s++) {
        const stage_t *stage = layer->stage + s;
        bad |= codes_of(layer, x + stage->first, stage->rows, codes);
        codes += (stage->rows + 31) / 16 * 16;
    }
    room->bad[row] = bad != 0;
    prepare(layer, room, read, row);
}

/* The same of a window whose codes are known. */
static void take_window(const layer_t *layer, const room_t *room, uint64_t read, int64_t row)
{
    int16_t *codes = room->codes + row * room->stride, least = 0;
    for (int64_t i = 0; i < layer->inputs; i++)
        least = room->window[i] < least ? room->window[i] : least;
    room->bad[row] = least == NONE;
    for (int64_t s = 0; s < layer->stages; s++) {
        const stage_t *stage = layer->stage + s;
        memcpy(codes, room->window + stage->first, stage->rows * sizeof(int16_t));
        codes += (stage->rows + 31) / 16 * 16;
    }
    prepare(layer, room, read, row);
}

typedef struct { /* of a block and a panel, [row][PANEL] */
    int32_t sums[BLOCK * PANEL], more[BLOCK * PANEL], variance[BLOCK * PANEL];
} sums_t;

/* All sums of a stage; what they fill of the outputs is fetched meanwhile. */
static void sums_of(const room_t *room, const stage_t *stage, const vector_t *vector, int64_t rows,
                    int64_t start, int64_t panel, int64_t padded, const tile_t *tile, sums_t *held)
{
    int64_t pairs = (stage->rows + 1) / 2, quads = (stage->rows + 3) / 4;
    const int16_t *weight = stage->weight + panel * PANEL * pairs * 2;
    for (int64_t row = 0; row < rows; row += TILE) {
        int count = rows - row < TILE ? (int)(rows - row) : TILE;
        const int16_t *codes = room->codes + row * room->stride + start;
        int32_t *sums = held->sums + row * PANEL;
        for (int r = 0; r < count; r++)
            __builtin_prefetch(tile->out + (row + r) * tile->stride, 1);
        word_product(count, codes, room->stride, weight, pairs, vector + row, sums);
        if (tile->more)
            word_product(count, room->positive + row * room->stride + start, room->stride, weight,
                         pairs, vector + row, held->more + row * PANEL);
        if (stage->read)
            byte_product(count, room->square + row * room->stride + start, room->stride,
                         stage->read + panel * PANEL * quads * 4, quads,
                         vector + row, held->variance + row * PANEL);
        if (stage->cells[0])
            for (int r = 0; r < count; r++)
                if (vector[row + r].suspect)
                    stop_phases(stage, vector + row + r, codes + r * room->stride, panel, padded,
                                sums + r * PANEL);
    }
}

/* The outputs of a panel, to out[row * stride]. */
static void panel_of(const layer_t *layer, const room_t *room, int64_t rows, int64_t panel,
                     int64_t padded, float *out, int64_t stride)
{
    sums_t held;
    int64_t start = 0;
    for (int64_t s = 0; s < layer->stages; s++) {
        const stage_t *stage = layer->stage + s;
        int last = s == layer->stages - 1;
        const vector_t *vector = room->vector + s * BLOCK;
        tile_t tile = {.count = (int)rows, .last = last, .column = panel * PANEL,
                       .stride = last ? stride : PANEL, .vector = vector, .sums = held.sums,
                       .more = layer->asymmetry != 0 ? held.more : 0, .variance = held.variance,
                       .before = room->value, .out = last ? out : room->value};
        sums_of(room, stage, vector, rows, start, panel, padded, &tile, &held);
        finish_tile(layer, stage, &tile);
        start += (stage->rows + 31) / 16 * 16;
    }
}

/* The outputs of a block, [rows, columns]. */
static void block_of(const layer_t *layer, const room_t *room, int64_t rows, float *out)
{
    int64_t panels = (layer->columns + PANEL - 1) / PANEL, stride = layer->columns;
    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t width = stride - panel * PANEL;
        float *place = out + panel * PANEL;
        if (width >= PANEL) {
            panel_of(layer, room, rows, panel, panels * PANEL, place, stride);
            continue;
        }
        panel_of(layer, room, rows, panel, panels * PANEL, room->value, PANEL);
        for (int64_t r = 0; r < rows; r++)
            memcpy(place + r * stride, room->value + r * PANEL, width * sizeof(float));
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; room->bad[r] && j < stride; j++)
            out[r * stride + j] = __builtin_nanf("");
}

/* Outputs [count, columns] of inputs [count, inputs]; returns 0, or 1 without memory. */
EXPORT int hermes_layer(const layer_t *layer, const float *x, const uint64_t *reads, int64_t count,
                        float *out)
{
    int64_t most = count < BLOCK ? count : BLOCK;
    room_t room = room_of(layer, most, 0);
    if (!room.held)
        return 1;
    for (int64_t first = 0; first < count; first += most) {
        int64_t rows = count - first < most ? count - first : most;
        for (int64_t r = 0; r < rows; r++)
            take_vector(layer, &room, x + (first + r) * layer->inputs, reads[first + r], r);
        block_of(layer, &room, rows, out + first * layer->columns);
    }
    free(room.held);
    return 0;
}

/* The same at all positions of a window over images [count][three sizes][channels], with a read for
   each; some images at a time. */
EXPORT int hermes_windows(const layer_t *layer, const window_t *window, int64_t channels,
                          const float *x, const uint64_t *reads, int64_t count, float *out)
{
    const int64_t *sizes = window->sizes, *outputs = window->outputs;
    int64_t pixels = sizes[0] * sizes[1] * sizes[2] * channels, row = 0;
    int64_t some = pixels < PIXELS ? PIXELS / pixels : 1;
    some = some < count ? some : count;
    room_t room = room_of(layer, BLOCK, some * pixels);
    if (!room.held)
        return 1;
    for (int64_t image = 0; image < count; image++) {
        int64_t place = image % some;
        if (place == 0) {
            int64_t part = count - image < some ? count - image : some;
            codes_of(layer, x + image * pixels, part * pixels, room.images);
        }
        for (int64_t a = 0; a < outputs[0]; a++)
            for (int64_t b = 0; b < outputs[1]; b++)
                for (int64_t c = 0; c < outputs[2]; c++) {
                    window_at(window, (const char *)(room.images + place * pixels),
                              channels * sizeof(int16_t), a, b, c, (char *)room.window);
                    take_window(layer, &room, *reads++, row);
                    if (++row < BLOCK)
                        continue;
                    block_of(layer, &room, row, out);
                    out += row * layer->columns, row = 0;
                }
    }
    block_of(layer, &room, row, out);
    free(room.held);
    return 0;
}
