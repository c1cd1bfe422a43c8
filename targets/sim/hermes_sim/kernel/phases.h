/* Sums of the lines that a phase or a counter saturates. */
#pragma once
#include "layer.h"

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
