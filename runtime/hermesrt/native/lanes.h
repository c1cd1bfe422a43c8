/* Vectors of the processor that a C file is compiled for. Each instruction set has the same names:
 *
 * vf, vi  LANES numbers of 32 bits: FP32, whole; F(name) is an operation of FP32
 * vc      CODES numbers of 16 bits
 * vd      sums of 32 bits of products of neighbours in a vc
 * TILE    rows whose sums with PANEL columns the registers hold
 * ABREAST vectors that a chain of operations takes at once
 */
#pragma once
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define EXPORT __attribute__((visibility("default")))
#define PANEL 16 /* columns that lie together in packed weights */
#define PARTS (PANEL / LANES)

#ifdef __ARM_NEON
#include "lanes_neon.h"
#else
#include "lanes_x86.h"
#endif

/* The same number of 32 bits in all lanes. */
INLINE vi same_i(const void *p)
{
    uint32_t some;
    memcpy(&some, p, 4);
    return set_i(some);
}

#ifndef WORDS_ROW
/* Products of a row's group with the columns of a panel. */
INLINE void words_row(vi *sum, const int16_t *a, const words_t *held)
{
    vi same = same_i(a);
    _Pragma("GCC unroll 4") for (int h = 0; h < PARTS; h++) sum[h] = words(sum[h], same, held[h]);
}
#endif

#ifndef BYTES_ROW
/* The same of two groups, for BYTE_PARTS vectors of columns, whose sums begin with `bytes_start`. */
#define BYTE_PARTS PARTS
INLINE bytes_t bytes_near(const uint8_t *p) { return bytes_load(p); }
INLINE vi bytes_start(int32_t total)
{
    (void)total;
    return set_i(0);
}
INLINE void bytes_row(vi *sum, const uint8_t *a, const bytes_t *held, const bytes_t *more)
{
    vi first = same_i(a), second = same_i(a + 4);
    _Pragma("GCC unroll 4") for (int h = 0; h < BYTE_PARTS; h++)
        sum[h] = bytes(bytes(sum[h], first, held[h]), second, more[h]);
}
#endif
