/* What the host computes for each core in each round of programming. With -ffp-contract=off it has the
 * bits of `descent_pulses.chosen` and `mvm_error.fitted`, which are its definition. */
#include "lanes.h"
#include <math.h>

#define AHEAD 12 /* cells that are fetched before they are needed */

typedef struct {
    float *pending;       /* the correction that is still to be made, [cell], counts */
    const float *target;  /* wanted conductance, [cell] */
    const float *slope;   /* current of a count, [cell], A */
    float *ampere;        /* of the last pulse, [cell], A */
    int8_t *device;       /* that is tuned, [cell] */
    int8_t *tuned;        /* whether one is, [cell] */
    int8_t *saturated;    /* how often in a row a cell got the last current and asked for more */
    int64_t cells;
    float threshold, low, high;
    int32_t patience;
} core_t;

/* Which of LANES cells from a place on wait for more than the threshold. */
INLINE int waits(const core_t *c, int64_t place)
{
    return over(size_of(F(loadu)(c->pending + place)), F(set1)(c->threshold));
}

/* How many cells wait for more than the threshold. */
EXPORT int64_t hermes_waiting(const core_t *c)
{
    int64_t found = 0, i = 0;
    for (; i + LANES <= c->cells; i += LANES)
        found += __builtin_popcount(waits(c, i));
    for (; i < c->cells; i++)
        found += fabsf(c->pending[i]) > c->threshold;
    return found;
}

/* The cells that wait, in order. */
static int64_t waiting(const core_t *c, int64_t *cells)
{
    int64_t found = 0, i = 0;
    for (; i + LANES <= c->cells; i += LANES)
        for (int lanes = waits(c, i); lanes; lanes &= lanes - 1)
            cells[found++] = i + __builtin_ctz(lanes);
    for (; i < c->cells; i++)
        if (fabsf(c->pending[i]) > c->threshold)
            cells[found++] = i;
    return found;
}

/* Cells, devices and currents of the pulses; they have room for all that wait. Returns how many. */
EXPORT int64_t hermes_corrections(const core_t *c, int64_t *cells, int64_t *devices, float *ampere)
{
    int64_t found = waiting(c, cells), count = 0;
    for (int64_t k = 0; k < found; k++) {
        int64_t i = cells[k], next = cells[k + AHEAD < found ? k + AHEAD : k];
        __builtin_prefetch(c->slope + next);
        __builtin_prefetch(c->ampere + next, 1);
        __builtin_prefetch(c->device + next);
        __builtin_prefetch(c->tuned + next);
        __builtin_prefetch(c->saturated + next, 1);
        float pending = c->pending[i], slope = c->slope[i], before = c->ampere[i];
        if (!c->tuned[i]) {
            if (c->target[i] != 0 || !(slope > 0) || c->saturated[i] >= c->patience)
                continue;
            c->device[i] = pending > 0 ? 0 : 2;
            c->tuned[i] = 1;
        }
        float step = pending * slope;
        float asked = before + (c->device[i] >= 2 ? step : -step);
        float now = asked < c->low ? c->low : asked > c->high ? c->high : asked;
        int32_t more = now == before && now != asked ? c->saturated[i] + 1 : 0;
        c->saturated[i] = (int8_t)(more < c->patience ? more : c->patience);
        c->ampere[i] = now;
        c->pending[i] = 0;
        cells[count] = i;
        devices[count] = c->device[i];
        ampere[count++] = now;
    }
    return count;
}

/* Sums of measured and wanted, then of their products about the means. */
static void regress(const float *restrict measured, const float *restrict wanted, int64_t vectors,
                    int64_t columns, float *restrict middle, float *restrict centre,
                    float *restrict spread, float *restrict slope)
{
    for (int64_t i = 0; i < vectors; i++)
        for (int64_t j = 0; j < columns; j++) {
            middle[j] += measured[i * columns + j];
            centre[j] += wanted[i * columns + j];
        }
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

/* Replace measured counts by their errors after the columns' correction; `sums` is [6][columns] and
 * zero, its last two get the squares of the errors and of what is wanted. */
EXPORT void hermes_fitted(float *restrict measured, const float *restrict wanted,
                          const float *restrict used, int64_t vectors, int64_t columns,
                          int32_t correct, float *restrict sums)
{
    float *restrict middle = sums, *restrict centre = sums + columns;
    float *restrict spread = sums + 2 * columns, *restrict slopes = sums + 3 * columns;
    if (correct)
        regress(measured, wanted, vectors, columns, middle, centre, spread, slopes);
    for (int64_t j = 0; j < columns; j++) { /* to gain and offset */
        float slope = correct ? slopes[j] / spread[j] : 1;
        float gain = slope > 0.5f && slope < 2 ? 1 / slope : 1;
        slopes[j] = gain * used[j];
        spread[j] = (centre[j] - gain * middle[j]) * used[j];
    }
    finish(measured, wanted, slopes, spread, vectors, columns, sums + 4 * columns);
}
