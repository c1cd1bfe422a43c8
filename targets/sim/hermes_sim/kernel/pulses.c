/* What pulses do to the devices of a core, and its cells in whole steps for the layer kernel.
 *
 * Compiled with -ffp-contract=off: all of it has the bits of `pulsed_cells.PulsedCells` and
 * `cell_steps.TorchSteps`, which are its definition.
 */
#include <math.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define PANEL 16 /* columns of layer.c */
#define MOST_CELL 32767
#define MOST_READ 127
#define BLOCK 64 /* pulses */

typedef struct {
    float *held;           /* conductances, [device][polarity][cell], S */
    const uint16_t *level; /* of a SET device over the median, FP16, the same places */
    const float *stuck;    /* what stuck devices hold, NaN for others; 0 without any */
    const float *table;    /* variances of a read, see pulsed_cells.ReadTable */
    float *variance;       /* of a read, [polarity][cell]; 0 before it is needed */
    const float *step;      /* of a conductance, [column], S */
    const float *read_step; /* of a variance, [column] */
    const float *added;     /* to the variances of each row, in steps */
    int16_t *cell;          /* [polarity][column][length]; 0 before it is needed */
    int16_t *weight;        /* as layer.c packs it */
    uint8_t *read;          /* as layer.c packs it */
    int64_t *sum, *square;  /* of the steps of a line, [polarity][column] */
    int64_t rows, columns, length;
    float median, high, span, share, floor_square, floor, reset, table_scale, table_end;
    int32_t noisy; /* whether an iterative pulse misses */
} core_t;

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
    const float scale = c->table_scale, end = c->table_end, *table = c->table;
    for (int i = 0; i < count; i++) {
        float place = sqrtf(held[i] * scale);
        place = place < end ? place : end;
        int32_t whole = (int32_t)place;
        float low = table[whole];
        out[i] = low + (place - (float)whole) * (table[whole + 1] - low);
    }
}

/* Whole steps of the conductances of lines, and of the variances of cells. */
static inline void in_steps(const float *restrict held, const float *restrict step,
                            const float *restrict read, const float *restrict read_step,
                            const float *restrict added, int count, int32_t *restrict cells,
                            int32_t *restrict reads)
{
    for (int i = 0; i < count; i++) {
        float exact = rintf(held[i] / step[i]), whole = floorf(read[i] / read_step[i] + added[i]);
        cells[i] = (int32_t)(exact < MOST_CELL ? exact : MOST_CELL);
        reads[i] = (int32_t)(whole < MOST_READ ? whole : MOST_READ);
    }
}

typedef struct { /* of a cell */
    int32_t row, column;
} place_t;

static inline place_t place_of(const core_t *c, int64_t cell)
{
    int32_t row = (int32_t)((uint32_t)cell / (uint32_t)c->columns);
    return (place_t){row, (int32_t)(cell - row * c->columns)};
}

/* Keep a cell's steps. */
static inline void store(const core_t *c, place_t at, int polarity, int32_t new, int32_t read)
{
    int64_t row = at.row, panel = at.column / PANEL, lane = at.column % PANEL;
    int64_t line = polarity * c->columns + at.column;
    int16_t *place = c->cell + line * c->length + row;
    int32_t old = *place;
    c->sum[line] += new - old;
    c->square[line] += (int64_t)new * new - (int64_t)old * old;
    *place = (int16_t)new;
    c->weight[((panel * ((c->rows + 1) / 2) + row / 2) * PANEL + lane) * 2 + row % 2] +=
        (int16_t)(polarity ? old - new : new - old);
    c->read[((panel * ((c->rows + 3) / 4) + row / 4) * PANEL + lane) * 4 + row % 4] = (uint8_t)read;
}

/* Take the steps of some cells again, of one polarity each; `held` is what that holds. */
static void renew(const core_t *c, const int64_t *cells, const int *polarity, const float *held,
                  int count)
{
    float step[BLOCK], read[BLOCK], read_step[BLOCK], added[BLOCK];
    int32_t new[BLOCK], reads[BLOCK];
    place_t at[BLOCK];
    int64_t size = c->rows * c->columns;
    for (int i = 0; i < count; i++) {
        at[i] = place_of(c, cells[i]);
        step[i] = c->step[at[i].column];
        read[i] = c->variance[cells[i]] + c->variance[size + cells[i]];
        read_step[i] = c->read_step[at[i].column];
        added[i] = c->added[at[i].row];
    }
    in_steps(held, step, read, read_step, added, count, new, reads);
    for (int i = 0; i < count; i++)
        store(c, at[i], polarity[i], new[i], reads[i]);
}

/* Send a pulse to a block of devices. */
static void pulse(const core_t *c, int kind, const int64_t *cells, const int64_t *devices,
                  const float *ampere, const float *noise, int count)
{
    int64_t size = c->rows * c->columns, place[BLOCK], first[BLOCK];
    float level[BLOCK], held[BLOCK], new[BLOCK], other[BLOCK], variance[2][BLOCK];
    int polarity[BLOCK];
    for (int i = 0; i < count; i++) {
        polarity[i] = (int)(devices[i] >> 1);
        first[i] = polarity[i] * size + cells[i];
        place[i] = first[i] + (devices[i] & 1) * 2 * size;
        held[i] = c->held[place[i]];
        other[i] = c->held[first[i] + (~devices[i] & 1) * 2 * size];
        level[i] = wide(c->level[place[i]]);
    }
    pulsed(c, kind, level, held, ampere, noise, count, new);
    for (int i = 0; i < count; i++) {
        if (c->stuck && c->stuck[place[i]] == c->stuck[place[i]])
            new[i] = c->stuck[place[i]];
        c->held[place[i]] = new[i];
    }
    if (!c->variance)
        return;
    misread(c, new, count, variance[0]);
    misread(c, other, count, variance[1]);
    for (int i = 0; i < count; i++) {
        c->variance[first[i]] = variance[0][i] + variance[1][i];
        held[i] = new[i] + other[i];
    }
    if (c->cell)
        renew(c, cells, polarity, held, count);
}

/* Ask for what a block of pulses needs. */
static void fetch(const core_t *c, const int64_t *cells, const int64_t *devices, int count)
{
    int64_t size = c->rows * c->columns;
    for (int i = 0; i < count; i++) {
        int polarity = (int)(devices[i] >> 1);
        int64_t cell = cells[i], first = polarity * size + cell;
        __builtin_prefetch(c->held + first, 1);
        __builtin_prefetch(c->held + first + 2 * size, 1);
        __builtin_prefetch(c->level + first + (devices[i] & 1) * 2 * size);
        if (!c->cell)
            continue;
        place_t at = place_of(c, cell);
        int64_t panel = at.column / PANEL, lane = at.column % PANEL, row = at.row;
        __builtin_prefetch(c->variance + cell, 1);
        __builtin_prefetch(c->variance + size + cell, 1);
        __builtin_prefetch(c->cell + (polarity * c->columns + at.column) * c->length + row, 1);
        __builtin_prefetch(c->weight + ((panel * ((c->rows + 1) / 2) + row / 2) * PANEL + lane) * 2, 1);
        __builtin_prefetch(c->read + ((panel * ((c->rows + 3) / 4) + row / 4) * PANEL + lane) * 4, 1);
    }
}

/* Send a pulse to some devices. */
EXPORT void hermes_pulse(const core_t *c, int32_t kind /* 0 set, 1 reset, 2 iterative */,
                         const int64_t *cells, const int64_t *devices, const float *ampere,
                         const float *noise, int64_t count)
{
    for (int64_t i = 0; i < count; i += BLOCK) {
        int part = count - i < BLOCK ? (int)(count - i) : BLOCK;
        int64_t next = i + part, left = count - next;
        fetch(c, cells + next, devices + next, (int)(left < BLOCK ? left : BLOCK));
        pulse(c, kind, cells + i, devices + i, ampere + i, noise + i, part);
    }
}

/* The variances of all cells. */
EXPORT void hermes_variances(const core_t *c)
{
    int64_t size = 2 * c->rows * c->columns;
    float second[BLOCK];
    for (int64_t i = 0; i < size; i += BLOCK) {
        int part = size - i < BLOCK ? (int)(size - i) : BLOCK;
        misread(c, c->held + i, part, c->variance + i);
        misread(c, c->held + size + i, part, second);
        for (int k = 0; k < part; k++)
            c->variance[i + k] += second[k];
    }
}

/* The steps of all cells; they were zero. */
EXPORT void hermes_steps(const core_t *c)
{
    int64_t size = c->rows * c->columns, cells[BLOCK];
    int polarity[BLOCK];
    float held[BLOCK];
    for (int64_t i = 0; i < 2 * size; i += BLOCK) {
        int part = 2 * size - i < BLOCK ? (int)(2 * size - i) : BLOCK;
        for (int k = 0; k < part; k++) {
            polarity[k] = i + k >= size;
            cells[k] = i + k - polarity[k] * size;
            held[k] = c->held[i + k] + c->held[i + k + 2 * size];
        }
        renew(c, cells, polarity, held, part);
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
