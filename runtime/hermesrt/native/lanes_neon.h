/* lanes.h for NEON, which every 64-bit Arm processor has. */
#include <arm_neon.h>

#define LANES 4
#define TILE 4
#define ABREAST 4
typedef float32x4_t vf;
typedef int32x4_t vi;
#define F(name) f_##name
INLINE vf f_set1(float a) { return vdupq_n_f32(a); }
INLINE vf f_loadu(const float *p) { return vld1q_f32(p); }
INLINE void f_storeu(float *p, vf v) { vst1q_f32(p, v); }
INLINE vf f_add(vf a, vf b) { return vaddq_f32(a, b); }
INLINE vf f_sub(vf a, vf b) { return vsubq_f32(a, b); }
INLINE vf f_mul(vf a, vf b) { return vmulq_f32(a, b); }
INLINE vf f_min(vf a, vf b) { return vminq_f32(a, b); }
INLINE vf f_max(vf a, vf b) { return vmaxq_f32(a, b); }
INLINE vf f_sqrt(vf a) { return vsqrtq_f32(a); }
INLINE vf round_even(vf a) { return vrndnq_f32(a); }
INLINE vf round_zero(vf a) { return vrndq_f32(a); }
INLINE vf round_down(vf a) { return vrndmq_f32(a); }
INLINE int over(vf a, vf b)
{
    const uint32x4_t lane = {1, 2, 4, 8};
    return (int)vaddvq_u32(vandq_u32(vcgtq_f32(a, b), lane));
}
INLINE int no_number(vf a) { return !vminvq_u32(vceqq_f32(a, a)); }

INLINE vi load_i(const int32_t *p) { return vld1q_s32(p); }
INLINE void store_i(int32_t *p, vi v) { vst1q_s32(p, v); }
INLINE vi set_i(uint32_t a) { return vdupq_n_s32((int32_t)a); }
INLINE vi add_i(vi a, vi b) { return vaddq_s32(a, b); }
INLINE vi mul_i(vi a, vi b) { return vmulq_s32(a, b); }
INLINE vi xor_i(vi a, vi b) { return veorq_s32(a, b); }
#define shift_i(v, bits) /* to the right, filled up with zeros */                                  \
    vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(v), bits))
INLINE vf float_of(vi a) { return vcvtq_f32_s32(a); }
INLINE vi nearest_of(vf a) { return vcvtnq_s32_f32(a); }
INLINE vi lane_numbers(void) { return (vi){1, 2, 3, 4}; } /* from 1 */

/* 256 times the sum of the 4 bytes of a and the 4 of b */
INLINE vi byte_sums(vi a, vi b)
{
    uint16x8_t sum = vpaddlq_u8(vreinterpretq_u8_s32(a));
    sum = vpadalq_u8(sum, vreinterpretq_u8_s32(b));
    return vreinterpretq_s32_u32(vshlq_n_u32(vpaddlq_u16(sum), 8));
}

/* LANES columns of a packed panel, of 2 words each: the first of all, the second of all */
typedef int16x4x2_t words_t;
INLINE words_t words_load(const int16_t *p) { return vld2_s16(p); }
INLINE vi words(vi sum, vi a, words_t b)
{
    const int16x4_t both = vget_low_s16(vreinterpretq_s16_s32(a));
    return vmlal_lane_s16(vmlal_lane_s16(sum, b.val[0], both, 0), b.val[1], both, 1);
}

/* the same of 4 bytes each */
typedef uint8x16_t bytes_t;
INLINE bytes_t bytes_load(const uint8_t *p) { return vld1q_u8(p); }
INLINE vi bytes(vi sum, vi a, bytes_t b) /* of at most 7 bits each */
{
    const uint8x16_t same = vreinterpretq_u8_s32(a);
    const uint32x4_t before = vreinterpretq_u32_s32(sum);
#ifdef __ARM_FEATURE_DOTPROD
    return vreinterpretq_s32_u32(vdotq_u32(before, same, b));
#else
    uint16x8_t low = vmull_u8(vget_low_u8(same), vget_low_u8(b)), high = vmull_high_u8(same, b);
    return vreinterpretq_s32_u32(vpadalq_u16(before, vpaddq_u16(low, high)));
#endif
}

#define CODES 8
typedef int16x8_t vc;
INLINE vc load_c(const void *p) { return vld1q_s16((const int16_t *)p); }
INLINE vc set_c(int16_t a) { return vdupq_n_s16(a); }
INLINE vc add_c(vc a, vc b) { return vaddq_s16(a, b); }
INLINE vc sub_c(vc a, vc b) { return vsubq_s16(a, b); }
INLINE vc mul_c(vc a, vc b) { return vmulq_s16(a, b); }
INLINE vc high_c(vc a, vc b) /* of products without a sign */
{
    uint16x8_t left = vreinterpretq_u16_s16(a), right = vreinterpretq_u16_s16(b);
    uint32x4_t low = vmull_u16(vget_low_u16(left), vget_low_u16(right));
    uint32x4_t high = vmull_high_u16(left, right);
    return vreinterpretq_s16_u16(vshrn_high_n_u32(vshrn_n_u32(low, 16), high, 16));
}
INLINE vc max_c(vc a, vc b) { return vmaxq_s16(a, b); }
INLINE vc min_c(vc a, vc b) { return vminq_s16(a, b); }
INLINE vc abs_c(vc a) { return vabsq_s16(a); }
INLINE int32_t largest_c(vc v) { return vmaxvq_s16(v); }

typedef int32x4_t vd;
INLINE vd zero_d(void) { return vdupq_n_s32(0); }
INLINE vd dot_d(vd sum, vc a, vc b)
{
    return vmlal_high_s16(vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b)), a, b);
}
INLINE int32_t total_d(vd v) { return vaddvq_s32(v); }

/* 16 numbers to 16 of 16 bits */
INLINE void store_codes(int16_t *out, const vi *code)
{
    vst1q_s16(out, vmovn_high_s32(vmovn_s32(code[0]), code[1]));
    vst1q_s16(out + 8, vmovn_high_s32(vmovn_s32(code[2]), code[3]));
}

INLINE int16x4_t half_quotients(int16x4_t a, vf b) /* (a + 0.5) b, rounded toward zero */
{
    vf wide = vaddq_f32(vcvtq_f32_s32(vmovl_s16(a)), vdupq_n_f32(0.5f));
    return vmovn_s32(vcvtq_s32_f32(vmulq_f32(wide, b)));
}
typedef vf divisor_t; /* its reciprocal */
INLINE divisor_t divisor_of(int32_t divisor) { return vdupq_n_f32(1 / (float)divisor); }
INLINE vc quotients(vc a, divisor_t b) /* rounded down */
{
    return vcombine_s16(half_quotients(vget_low_s16(a), b), half_quotients(vget_high_s16(a), b));
}
INLINE void store_bytes(uint8_t *out, vc a) { vst1_u8(out, vqmovun_s16(a)); }
