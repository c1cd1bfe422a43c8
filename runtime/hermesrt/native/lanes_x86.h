/* lanes.h for AVX2, and for AVX-512 with VNNI. */
#include <immintrin.h>

#ifdef __AVX512VNNI__
#define LANES 16
#define TILE 12
#define ABREAST 4
typedef __m512 vf;
typedef __m512i vi;
#define F(name) _mm512_##name##_ps
#define I(name) _mm512_##name
#define load_i(p) _mm512_loadu_si512((const void *)(p))
#define store_i(p, v) _mm512_storeu_si512((void *)(p), v)
#define round_even(v) _mm512_roundscale_ps(v, 0x08)
#define round_zero(v) _mm512_roundscale_ps(v, 0x0B)
#define round_down(v) _mm512_roundscale_ps(v, 0x09)
#define xor_i _mm512_xor_si512
INLINE vi words(vi sum, vi a, vi b) { return _mm512_dpwssd_epi32(sum, a, b); }
INLINE vi bytes(vi sum, vi a, vi b) { return _mm512_dpbusd_epi32(sum, a, b); }
INLINE int over(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
INLINE int no_number(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
INLINE vi lane_numbers(void) /* from 1 */
{
    return _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
}
#else
#define LANES 8
#define TILE 6
#define ABREAST 2
typedef __m256 vf;
typedef __m256i vi;
#define F(name) _mm256_##name##_ps
#define I(name) _mm256_##name
#define load_i(p) _mm256_loadu_si256((const __m256i *)(p))
#define store_i(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define round_even(v) _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define round_zero(v) _mm256_round_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#define round_down(v) _mm256_round_ps(v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
#define xor_i _mm256_xor_si256
INLINE vi words(vi sum, vi a, vi b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
INLINE vi bytes(vi sum, vi a, vi b) /* of at most 7 bits each */
{
    return words(sum, _mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
}
INLINE int over(vf a, vf b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
INLINE int no_number(vf a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)); }
INLINE vi lane_numbers(void) { return _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8); } /* from 1 */
#endif

/* LANES columns of a packed panel: of 2 words or 4 bytes each */
typedef vi words_t, bytes_t;
INLINE vi words_load(const int16_t *p) { return load_i(p); }
INLINE vi bytes_load(const uint8_t *p) { return load_i(p); }
#if LANES == 8
typedef int32_t __attribute__((may_alias)) group_t; /* of a row */

/* In assembly, for compilers spill sums to memory: 26 products a cycle in place of 15. */
#define WORDS_ROW
INLINE void words_row(vi *sum, const int16_t *a, const words_t *held)
{
    vi one, other;
    __asm__("vpbroadcastd %4, %2\n\tvpmaddwd %5, %2, %3\n\tvpmaddwd %6, %2, %2\n\t"
            "vpaddd %3, %0, %0\n\tvpaddd %2, %1, %1"
            : "+x"(sum[0]), "+x"(sum[1]), "=&x"(other), "=&x"(one)
            : "m"(*(const group_t *)a), "x"(held[0]), "x"(held[1]));
}

/* With 64 less in each byte of a panel, two groups of products fit 16 bits; what that takes from
   the sum, a row's own bytes tell. */
#define BYTES_ROW
#define BYTE_PARTS 1
INLINE bytes_t bytes_near(const uint8_t *p)
{
    return _mm256_sub_epi8(bytes_load(p), _mm256_set1_epi8(64));
}
INLINE vi bytes_start(int32_t total) { return _mm256_set1_epi32(64 * total); }
INLINE void bytes_row(vi *sum, const uint8_t *a, const bytes_t *held, const bytes_t *more)
{
    const vi one = _mm256_set1_epi16(1);
    vi first, second;
    __asm__("vpbroadcastd %3, %1\n\tvpbroadcastd %4, %2\n\tvpmaddubsw %5, %1, %1\n\t"
            "vpmaddubsw %6, %2, %2\n\tvpaddw %2, %1, %1\n\tvpmaddwd %7, %1, %1\n\t"
            "vpaddd %1, %0, %0"
            : "+x"(sum[0]), "=&x"(first), "=&x"(second)
            : "m"(*(const group_t *)a), "m"(*(const group_t *)(a + 4)), "x"(held[0]),
              "x"(more[0]), "x"(one));
}
#endif

INLINE vi set_i(uint32_t a) { return I(set1_epi32)((int)a); }
INLINE vi add_i(vi a, vi b) { return I(add_epi32)(a, b); }
INLINE vi mul_i(vi a, vi b) { return I(mullo_epi32)(a, b); }
#define shift_i(v, bits) I(srli_epi32)(v, bits) /* to the right, filled up with zeros */
INLINE vf float_of(vi a) { return I(cvtepi32_ps)(a); }
INLINE vi nearest_of(vf a) { return I(cvtps_epi32)(a); }

/* 256 times the sum of the 4 bytes of a and the 4 of b */
INLINE vi byte_sums(vi a, vi b)
{
    const vi one = I(set1_epi8)(1);
    vi sum = I(add_epi16)(I(maddubs_epi16)(a, one), I(maddubs_epi16)(b, one));
    return I(madd_epi16)(sum, I(set1_epi16)(256));
}

#define CODES 16
typedef __m256i vc, vd;
INLINE vc load_c(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE vc set_c(int16_t a) { return _mm256_set1_epi16(a); }
INLINE vc add_c(vc a, vc b) { return _mm256_add_epi16(a, b); }
INLINE vc sub_c(vc a, vc b) { return _mm256_sub_epi16(a, b); }
INLINE vc mul_c(vc a, vc b) { return _mm256_mullo_epi16(a, b); }
INLINE vc high_c(vc a, vc b) { return _mm256_mulhi_epu16(a, b); } /* of products without a sign */
INLINE vc max_c(vc a, vc b) { return _mm256_max_epi16(a, b); }
INLINE vc min_c(vc a, vc b) { return _mm256_min_epi16(a, b); }
INLINE vc abs_c(vc a) { return _mm256_abs_epi16(a); }
INLINE int32_t largest_c(vc v) /* of numbers from 0 on */
{
    __m128i most = _mm_max_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    most = _mm_minpos_epu16(_mm_sub_epi16(_mm_set1_epi16(INT16_MAX), most));
    return INT16_MAX - (_mm_cvtsi128_si32(most) & 0xFFFF);
}

INLINE vd zero_d(void) { return _mm256_setzero_si256(); }
INLINE vd dot_d(vd sum, vc a, vc b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
INLINE int32_t total_d(vd v)
{
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1)));
}

/* 16 numbers to 16 of 16 bits */
INLINE void store_codes(int16_t *out, const vi *code)
{
#if LANES == 16
    _mm256_storeu_si256((__m256i *)out, _mm512_cvtepi32_epi16(code[0]));
#else
    vi both = _mm256_packs_epi32(code[0], code[1]);
    _mm256_storeu_si256((__m256i *)out, _mm256_permute4x64_epi64(both, 0xD8));
#endif
}

/* What numbers up to 2^14 are divided by, 1 to 127: a fraction of 2^16 and a shift, exact since
   what the fraction is too large by times the number stays below the shift's unit. */
typedef struct {
    vc factor;
    __m128i shift;
} divisor_t;
INLINE divisor_t divisor_of(int32_t divisor)
{
    int shift = 32 - __builtin_clz(2 * divisor - 1) - 1;
    int32_t factor = (int32_t)((1u << (16 + shift)) / (2 * divisor) + 1);
    return (divisor_t){set_c((int16_t)factor), _mm_cvtsi32_si128(shift)};
}

INLINE vc quotients(vc a, divisor_t b) /* rounded down */
{
    return _mm256_srl_epi16(high_c(add_c(a, a), b.factor), b.shift);
}
INLINE void store_bytes(uint8_t *out, vc a)
{
    vc both = _mm256_permute4x64_epi64(_mm256_packus_epi16(a, a), 0xD8);
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(both));
}
