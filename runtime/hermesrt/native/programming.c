/* What the host computes for each core in each round of programming. With -ffp-contract=off it has the
 * bits of `descent_pulses.chosen`, `verify.chosen` and `mvm_error.errors_of`, which are its
 * definition. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define AHEAD 24 /* cells that are fetched before they are needed */
#define BLOCK 64 /* cells that are looked at together */
#define EXPORT __attribute__((visibility("default")))

typedef struct {      /* of a cell; see core_programming.CoreProgramming */
    float ampere;     /* of the last pulse, A */
    float slope;      /* current of a count, A */
    int8_t device;    /* that is tuned */
    int8_t tuned;     /* whether one is */
    int8_t saturated; /* how often in a row the cell got the last current and asked for more */
    int8_t open;      /* whether verify has not found it within the margin yet */
} record_t;

typedef struct {
    float *pending;      /* the correction that is still to be made, [cell], counts */
    const float *target; /* wanted conductance, [cell], S */
    record_t *record;
    int64_t cells;
    float low, high;
    int32_t patience;
} core_t;

typedef struct { /* pulses; they have room for all cells */
    int64_t *cell, *device;
    float *ampere;
    int64_t count;
} pulses_t;

/* session.corrections, of a cell */
static inline void correct(const core_t *c, int64_t cell, float change, pulses_t *pulses)
{
    static const float sign[4] = {-1, -1, 1, 1}; /* of devices; branches would be guesses */
    record_t *own = c->record + cell;
    float step = change * own->slope, before = own->ampere;
    float asked = before + step * sign[own->device & 3];
    float now = asked < c->low ? c->low : asked > c->high ? c->high : asked;
    int32_t more = now == before && now != asked ? own->saturated + 1 : 0;
    own->saturated = (int8_t)(more < c->patience ? more : c->patience);
    own->ampere = now;
    pulses->cell[pulses->count] = cell;
    pulses->device[pulses->count] = own->device;
    pulses->ampere[pulses->count++] = now;
}

/* Add the marked ones of a block of cells to others, in order; the number of all then. */
static inline int64_t listed(const uint8_t *marks, int64_t first, int64_t *cells, int64_t found)
{
    uint64_t words[BLOCK / 8];
    memcpy(words, marks, BLOCK);
    for (int64_t k = 0; k < BLOCK / 8; k++) /* the lowest byte is the first cell's */
        for (uint64_t word = words[k]; word; word &= word - 1)
            cells[found++] = first + 8 * k + __builtin_ctzll(word) / 8;
    return found;
}

/* The cells that wait for more than the threshold, in order; returns how many. */
static int64_t waiting(const core_t *c, float threshold, int64_t *cells)
{
    int64_t found = 0;
    uint8_t over[BLOCK] = {0};
    for (int64_t first = 0; first < c->cells; first += BLOCK) {
        int64_t left = c->cells - first;
        if (left >= BLOCK)
            for (int64_t i = 0; i < BLOCK; i++)
                over[i] = fabsf(c->pending[first + i]) > threshold;
        else
            for (int64_t i = 0; i < BLOCK; i++)
                over[i] = i < left && fabsf(c->pending[first + i]) > threshold;
        found = listed(over, first, cells, found);
    }
    return found;
}

/* descent_pulses.chosen; returns how many */
EXPORT int64_t hermes_descent(const core_t *c, float threshold, int64_t *cells, int64_t *devices,
                              float *ampere)
{
    int64_t found = waiting(c, threshold, cells);
    pulses_t pulses = {cells, devices, ampere, 0};
    for (int64_t k = 0; k < found; k++) {
        int64_t i = cells[k];
        float pending = c->pending[i];
        __builtin_prefetch(c->record + cells[k + AHEAD < found ? k + AHEAD : k], 1);
        record_t *own = c->record + i;
        if (!own->tuned) {
            if (c->target[i] != 0 || !(own->slope > 0) || own->saturated >= c->patience)
                continue;
            own->device = pending > 0 ? 0 : 2;
            own->tuned = 1;
        }
        c->pending[i] = 0;
        correct(c, i, pending, &pulses);
    }
    return pulses.count;
}

/* verify.chosen, after a read of both polarities in counts, [polarity][cell]; returns how many */
EXPORT int64_t hermes_verification(const core_t *c, const float *read, float count, float margin,
                                   float far, float gain, int64_t *cells, int64_t *devices,
                                   float *ampere)
{
    pulses_t pulses = {cells, devices, ampere, 0};
    for (int64_t first = 0; first < c->cells; first += BLOCK) {
        int64_t left = c->cells - first, part = left < BLOCK ? left : BLOCK, open[BLOCK];
        float error[BLOCK];
        uint8_t over[BLOCK] = {0};
        for (int64_t i = first; i < first + part; i++) {
            error[i - first] = c->target[i] / count - read[i] + read[c->cells + i];
            over[i - first] = fabsf(error[i - first]) > margin;
        }
        for (int64_t i = 0; i < part; i++)
            c->record[first + i].open = over[i] &= c->record[first + i].open;
        int64_t found = listed(over, 0, open, 0);
        for (int64_t k = 0; k < found; k++) {
            record_t *own = c->record + first + open[k];
            if (fabsf(error[open[k]]) > far && own->saturated >= c->patience)
                own->open = own->tuned = 0;
            else
                correct(c, first + open[k], error[open[k]] * gain, &pulses);
        }
    }
    return pulses.count;
}

/* To counts of an error, and the sums of their columns. */
static void rescale(float *restrict measured, float *restrict wanted, int64_t vectors,
                    int64_t columns, float measured_unit, float wanted_unit,
                    float *restrict middle, float *restrict centre)
{
    for (int64_t i = 0; i < vectors; i++)
        for (int64_t j = 0; j < columns; j++) {
            float *one = measured + i * columns + j, *other = wanted + i * columns + j;
            *one *= measured_unit;
            *other /= wanted_unit;
            middle[j] += *one;
            centre[j] += *other;
        }
}

/* Sums to means, and the sums of products about them. */
static void regress(const float *restrict measured, const float *restrict wanted, int64_t vectors,
                    int64_t columns, float *restrict middle, float *restrict centre,
                    float *restrict spread, float *restrict slope)
{
    for (int64_t j = 0; j < columns; j++) {
        middle[j] /= (float)vectors;
        centre[j] /= (float)vectors;
    }
    for (int64_t i = 0; i < vectors; i++)
        for (int64_t j = 0; j < columns; j++) {
            float away = wanted[i * columns + j] - centre[j];
            spread[j] += away * away;
            slope[j] += away * (measured[i * columns + j] - middle[j]);
        }
}

/* Errors in place of what was measured; `squares` gets [2][columns]. */
static void finish(float *restrict measured, const float *restrict wanted,
                   const float *restrict gain, const float *restrict offset, int64_t vectors,
                   int64_t columns, float *restrict squares)
{
    for (int64_t i = 0; i < vectors; i++)
        for (int64_t j = 0; j < columns; j++) {
            float *place = measured + i * columns + j, whole = wanted[i * columns + j];
            float wrong = (*place * gain[j] + offset[j]) - whole;
            *place = wrong;
            squares[j] += wrong * wrong;
            squares[columns + j] += whole * whole;
        }
}

/* Replace measured counts by their errors after the columns' correction, and what is wanted by its
 * counts; `sums` is [6][columns] and zero, its last two get the squares of both. */
EXPORT void hermes_fitted(float *restrict measured, float *restrict wanted,
                          const float *restrict used, int64_t vectors, int64_t columns,
                          int32_t correct, float measured_unit, float wanted_unit,
                          float *restrict sums)
{
    float *restrict middle = sums, *restrict centre = sums + columns;
    float *restrict spread = sums + 2 * columns, *restrict slopes = sums + 3 * columns;
    rescale(measured, wanted, vectors, columns, measured_unit, wanted_unit, middle, centre);
    if (correct)
        regress(measured, wanted, vectors, columns, middle, centre, spread, slopes);
    for (int64_t j = 0; j < columns; j++) { /* to gain and offset */
        float slope = correct ? slopes[j] / spread[j] : 1;
        float gain = slope > 0.5f && slope < 2 ? 1 / slope : 1;
        slopes[j] = gain * used[j];
        spread[j] = correct ? (centre[j] - gain * middle[j]) * used[j] : 0;
    }
    finish(measured, wanted, slopes, spread, vectors, columns, sums + 4 * columns);
}
