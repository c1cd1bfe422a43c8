/* What pulses do to the devices of a core, and its cells in whole steps for the layer kernel.
 *
 * Compiled with -ffp-contract=off: all of it has the bits of `torch_pulses.TorchPulses`,
 * which is its definition.
 */
#include <math.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define PANEL 16 /* columns of layer.c */
#define MOST_CELL 32767
#define MOST_READ 127
#define BLOCK 64 /* pulses */

typedef struct {     /* of a cell: what a pulse needs lies together */
    float held[4];     /* conductances of its devices, S */
    float variance[2]; /* of a read of each polarity */
    uint16_t level[4]; /* of a SET device over the median, FP16 */
} cell_t;

typedef struct {
    cell_t *cell;
    const float *stuck;     /* what stuck devices hold, [device][polarity][cell], NaN for others; or 0 */
    const float *table;     /* variances of a read, see programmed_cells.ReadTable */
    const float *step;      /* of a conductance, [column], S */
    const float *read_step; /* of a variance, [column] */
    const float *added;     /* to the variances of each row, in steps */
    int16_t *line;          /* cells in steps, [polarity][column][length]; 0 before they are needed */
    int16_t *weight;        /* as layer.c packs it */
    uint8_t *read;          /* as layer.c packs it */
    int64_t *sum, *square;  /* of the steps of a line, [polarity][column] */
    int64_t rows, columns, length;
    float median, high, span, share, floor_square, floor, reset, table_scale, table_end;
    int32_t noisy; /* whether an iterative pulse misses */
    int32_t known; /* whether variances are kept */
} core_t;

typedef struct { /* some pulses */
    int count;
    const int64_t *cell, *device;
    const float *ampere, *noise;
    int32_t row[BLOCK], column[BLOCK];
    int32_t line[BLOCK], weight[BLOCK], read[BLOCK]; /* where a cell's steps are; of polarity 0 */
} block_t;

/* FP16 to FP32; levels are positive and normal numbers. */
static inline float wide(uint16_t half)
{
    union { uint32_t bits; float value; } number = {((uint32_t)half << 13) + (112u << 23)};
    return number.value;
}

/* What some devices hold after a pulse. */
static inline void pulsed(const core_t *c, int kind, const float *restrict level,
                          const float *restrict old, const float *restrict ampere,
                          const float *restrict noise, int count, float *restrict new)
{
    const float median = c->median, high = c->high, span = c->span, share_of = c->share;
    const float floor = c->floor, square = c->floor_square, reset = c->reset;
    if (kind == 1)
        for (int i = 0; i < count; i++)
            new[i] = fabsf(noise[i]) * reset;
    else if (kind == 0)
        for (int i = 0; i < count; i++)
            new[i] = level[i] * median + noise[i] * floor;
    else
        for (int i = 0; i < count; i++) {
            float share = (high - ampere[i]) / span;
            share = share < 0 ? 0 : share;
            share = share > 1 ? 1 : share;
            float step = level[i] * median * share - old[i], wrong = step * share_of;
            new[i] = old[i] + step + (c->noisy ? sqrtf(wrong * wrong + square) * noise[i] : 0);
        }
    for (int i = 0; i < count; i++)
        new[i] = new[i] < 0 ? 0 : new[i];
}

/* The variances of reads of devices that hold so much. */
static inline void misread(const core_t *c, const float *restrict held, int count,
                           float *restrict out)
{
    const float scale = c->table_scale, end = c->table_end;
    float place[BLOCK], low[BLOCK], next[BLOCK];
    int32_t whole[BLOCK];
    for (int i = 0; i < count; i++) {
        float exact = sqrtf(held[i] * scale);
        place[i] = exact < end ? exact : end;
    }
    for (int i = 0; i < count; i++)
        whole[i] = (int32_t)place[i];
    for (int i = 0; i < count; i++) {
        low[i] = c->table[whole[i]];
        next[i] = c->table[whole[i] + 1];
    }
    for (int i = 0; i < count; i++)
        out[i] = low[i] + (place[i] - (float)whole[i]) * (next[i] - low[i]);
}

/* Whole steps of the conductances of lines, and of the variances of cells. */
static inline void in_steps(const float *restrict held, const float *restrict step,
                            const float *restrict read, const float *restrict read_step,
                            const float *restrict added, int count, int32_t *restrict cells,
                            int32_t *restrict reads)
{
    float most[BLOCK], share[BLOCK];
    for (int i = 0; i < count; i++) {
        float exact = rintf(held[i] / step[i]), whole = floorf(read[i] / read_step[i] + added[i]);
        most[i] = exact < MOST_CELL ? exact : MOST_CELL;
        share[i] = whole < MOST_READ ? whole : MOST_READ;
    }
    for (int i = 0; i < count; i++) { /* apart, or a compiler branches on what is cut off */
        cells[i] = (int32_t)most[i];
        reads[i] = (int32_t)share[i];
    }
}

/* Where the cells of a block are. */
static inline void locate(const core_t *c, block_t *block)
{
    const double width = 1 / (double)c->columns;
    const int32_t columns = (int32_t)c->columns, length = (int32_t)c->length;
    const int32_t pairs = (int32_t)(c->rows + 1) / 2 * PANEL, quads = (int32_t)(c->rows + 3) / 4 * PANEL;
    for (int i = 0; i < block->count; i++) {
        int32_t cell = (int32_t)block->cell[i], row = (int32_t)((cell + 0.5) * width);
        int32_t column = cell - row * columns;
        int32_t panel = (int32_t)((uint32_t)column / PANEL), lane = column - panel * PANEL;
        block->row[i] = row;
        block->column[i] = column;
        block->line[i] = column * length + row;
        block->weight[i] = (panel * pairs + (row >> 1) * PANEL + lane) * 2 + (row & 1);
        block->read[i] = (panel * quads + (row >> 2) * PANEL + lane) * 4 + (row & 3);
    }
}

/* Keep the steps of a cell of a block. */
static inline void store(const core_t *c, const block_t *block, int i, int polarity, int32_t new,
                         int32_t read)
{
    int64_t line = polarity * c->columns + block->column[i];
    int16_t *place = c->line + polarity * c->columns * c->length + block->line[i];
    int32_t old = *place;
    c->sum[line] += new - old;
    c->square[line] += (int64_t)new * new - (int64_t)old * old;
    *place = (int16_t)new;
    c->weight[block->weight[i]] += (int16_t)(polarity ? old - new : new - old);
    c->read[block->read[i]] = (uint8_t)read;
}

/* Take the steps of some cells again, of one polarity each; `held` is what that holds. */
static void renew(const core_t *c, const block_t *block, const int *polarity,
                  const float *restrict held)
{
    float step[BLOCK], read[BLOCK], read_step[BLOCK], added[BLOCK];
    int32_t new[BLOCK], reads[BLOCK];
    for (int i = 0; i < block->count; i++) {
        const cell_t *cell = c->cell + block->cell[i];
        step[i] = c->step[block->column[i]];
        read[i] = cell->variance[0] + cell->variance[1];
        read_step[i] = c->read_step[block->column[i]];
        added[i] = c->added[block->row[i]];
    }
    in_steps(held, step, read, read_step, added, block->count, new, reads);
    for (int i = 0; i < block->count; i++)
        store(c, block, i, polarity[i], new[i], reads[i]);
}

/* Send a pulse to a block of devices. */
static void pulse(const core_t *c, int kind, const block_t *block)
{
    int64_t size = c->rows * c->columns;
    float level[BLOCK], held[BLOCK], new[BLOCK], other[BLOCK], variance[2][BLOCK];
    int polarity[BLOCK], count = block->count;
    for (int i = 0; i < count; i++) {
        const cell_t *cell = c->cell + block->cell[i];
        int64_t device = block->device[i];
        polarity[i] = (int)(device >> 1);
        held[i] = cell->held[device];
        other[i] = cell->held[device ^ 1];
        level[i] = wide(cell->level[device]);
    }
    pulsed(c, kind, level, held, block->ampere, block->noise, count, new);
    for (int i = 0; i < count; i++) {
        int64_t device = block->device[i];
        if (c->stuck) {
            int64_t place = ((device & 1) * 2 + (device >> 1)) * size + block->cell[i];
            new[i] = c->stuck[place] == c->stuck[place] ? c->stuck[place] : new[i];
        }
        c->cell[block->cell[i]].held[device] = new[i];
    }
    if (!c->known)
        return;
    misread(c, new, count, variance[0]);
    misread(c, other, count, variance[1]);
    for (int i = 0; i < count; i++) {
        c->cell[block->cell[i]].variance[polarity[i]] = variance[0][i] + variance[1][i];
        held[i] = new[i] + other[i];
    }
    if (c->line)
        renew(c, block, polarity, held);
}

/* Ask for what a block of pulses needs. */
static void fetch(const core_t *c, const block_t *block)
{
    for (int i = 0; i < block->count; i++) {
        __builtin_prefetch(c->cell + block->cell[i], 1);
        if (!c->line)
            continue;
        int64_t polarity = block->device[i] >> 1;
        __builtin_prefetch(c->line + polarity * c->columns * c->length + block->line[i], 1);
        __builtin_prefetch(c->weight + block->weight[i], 1);
        __builtin_prefetch(c->read + block->read[i], 1);
    }
}

/* Send a pulse to some devices. */
EXPORT void hermes_pulse(const core_t *c, int32_t kind /* 0 set, 1 reset, 2 iterative */,
                         const int64_t *cells, const int64_t *devices, const float *ampere,
                         const float *noise, int64_t count)
{
    block_t turns[2];
    turns[1].count = 0;
    for (int64_t i = 0, turn = 0; i < count + BLOCK; i += BLOCK, turn ^= 1) {
        block_t *next = turns + turn;
        int64_t left = count - i;
        next->count = left < 0 ? 0 : left < BLOCK ? (int)left : BLOCK;
        next->cell = cells + i, next->device = devices + i;
        next->ampere = ampere + i, next->noise = noise + i;
        locate(c, next);
        fetch(c, next);
        pulse(c, kind, turns + (turn ^ 1));
    }
}

/* The variances of all cells. */
EXPORT void hermes_variances(const core_t *c)
{
    int64_t size = c->rows * c->columns;
    float held[2][BLOCK], variance[2][BLOCK];
    for (int64_t i = 0; i < size; i += BLOCK)
        for (int polarity = 0; polarity < 2; polarity++) {
            int part = size - i < BLOCK ? (int)(size - i) : BLOCK;
            for (int k = 0; k < part; k++)
                for (int device = 0; device < 2; device++)
                    held[device][k] = c->cell[i + k].held[2 * polarity + device];
            misread(c, held[0], part, variance[0]);
            misread(c, held[1], part, variance[1]);
            for (int k = 0; k < part; k++)
                c->cell[i + k].variance[polarity] = variance[0][k] + variance[1][k];
        }
}

/* The steps of all cells; they were zero. */
EXPORT void hermes_steps(const core_t *c)
{
    int64_t size = c->rows * c->columns, cells[BLOCK];
    block_t block = {.cell = cells};
    int polarity[BLOCK];
    float held[BLOCK];
    for (int64_t i = 0; i < size; i += BLOCK)
        for (int p = 0; p < 2; p++) {
            block.count = size - i < BLOCK ? (int)(size - i) : BLOCK;
            for (int k = 0; k < block.count; k++) {
                const float *own = c->cell[i + k].held + 2 * p;
                polarity[k] = p;
                cells[k] = i + k;
                held[k] = own[0] + own[1];
            }
            locate(c, &block);
            renew(c, &block, polarity, held);
        }
}

/* A verify read of both devices of each polarity, in whole counts, in place of normal numbers,
 * [polarity][cell]. */
EXPORT void hermes_verify(const core_t *c, float floor_square, float count, float *restrict noise)
{
    int64_t size = c->rows * c->columns;
    float held[BLOCK], variance[BLOCK];
    for (int64_t i = 0; i < size; i += BLOCK)
        for (int p = 0; p < 2; p++) {
            int part = size - i < BLOCK ? (int)(size - i) : BLOCK;
            float *place = noise + p * size + i;
            for (int k = 0; k < part; k++) {
                const cell_t *cell = c->cell + i + k;
                held[k] = cell->held[2 * p] + cell->held[2 * p + 1];
                variance[k] = cell->variance[p];
            }
            for (int k = 0; k < part; k++)
                place[k] = rintf((place[k] * sqrtf(variance[k] + floor_square) + held[k]) / count);
        }
}

/* How much of what a line may take codes take; see integers.IntegerBlock. The columns are filled up
 * to whole panels with zeros: `lines` [kind][polarity][columns], `worst` [panel][polarity][kind]. */
EXPORT void hermes_lines(const core_t *c, const float *limit, float *lines, float *worst, float *all)
{
    int64_t panels = (c->columns + PANEL - 1) / PANEL, wide = panels * PANEL;
    for (int64_t i = 0; i < 4 * panels; i++)
        worst[i] = 0;
    all[0] = all[1] = 0;
    for (int p = 0; p < 2; p++)
        for (int64_t j = 0; j < c->columns; j++) {
            double sum = (double)c->sum[p * c->columns + j];
            double spread = (double)c->square[p * c->columns + j] - sum * sum / (double)c->rows;
            float share[2] = {(float)sum, (float)sqrt(spread > 0 ? spread : 0)};
            for (int kind = 0; kind < 2; kind++) {
                float value = share[kind] / limit[j] * (1 + 1e-4f);
                lines[(kind * 2 + p) * wide + j] = value;
                float *most = worst + ((j / PANEL) * 2 + p) * 2 + kind;
                *most = value > *most ? value : *most;
                all[kind] = value > all[kind] ? value : all[kind];
            }
        }
}
