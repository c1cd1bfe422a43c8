/* One layer of the simulated chip in one pass: input codes, sums, phases, noise, counts, LDPU, code.
 *
 * Compiled once for each instruction set, whose vectors lanes.h has, and with -ffp-contract=off: its
 * outputs have the bits of `integers.TorchLayer`, which is its definition.
 *
 * Rows are taken in blocks that fit the second cache, columns in panels of 16 whose weights stay in
 * the first. Packed weights are [panel][row / 2][column][row % 2], variances
 * [panel][row / 4][column][row % 4]; rows and columns are filled up with zeros.
 */
#include "codes.h"
#include "counts.h"
#include "phases.h"
#include "products.h"
#include "window.h"
#include <stdlib.h>

#define BLOCK 96         /* rows of inputs */
#define PIXELS (1 << 16) /* numbers of images whose codes are kept */

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
