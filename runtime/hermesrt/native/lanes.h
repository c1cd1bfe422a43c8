/* Vectors of the processor that a C file is compiled for. Each instruction set has the same names:
 *
 * vf, vi  LANES numbers of 32 bits: FP32, whole; F(name) is an operation of FP32
 * vc      CODES numbers of 16 bits
 * vd      sums of 32 bits of products of neighbours in a vc
 * TILE    rows whose sums with PANEL columns the registers hold
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
