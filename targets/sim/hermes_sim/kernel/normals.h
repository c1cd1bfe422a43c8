/* Normal numbers of vectors, by their keys; see hermes_sim/noise.py. */
#pragma once
#include "layer.h"

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
