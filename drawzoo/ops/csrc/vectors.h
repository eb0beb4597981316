/* What the kernels share: vectors of numbers, and functions of them.
 *
 * `drawzoo.ops` says which tensor operations the kernels stand for, and calls them. Plain C,
 * float32, row-major; nothing is allocated; the images of a batch are shared out among `threads`.
 */

#pragma once

#include <stdint.h>
#ifdef __AVX__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

/* Eight or sixteen numbers anywhere in memory. Every compiler makes of them what its processor has. */
#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));

INLINE vector load(const float *from) { return *(const vector *)from; }

INLINE void store(float *to, vector value) { *(vector *)to = value; }

INLINE vector all(float v) { return v - (vector){0}; }

/* sum += a b */
INLINE void add_product(vector *sum, vector a, vector b) {
#ifdef __FMA__
    /* Of the instruction's three forms this one leaves the sum where it is. Compilers choose others
     * and move the sums of a loop from register to register, which takes a fifth of its time. */
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
#else
    *sum += a * b;
#endif
}

INLINE vector where(integers mask, vector yes, vector no) {
    return (vector)(((integers)yes & mask) | ((integers)no & ~mask));
}

/* to [8, 8] = fromᵀ. The rows of `from` are `step` apart, the rows of `to` one vector. */
INLINE void transpose(const float *from, int64_t step, float *to) {
#ifdef __AVX__
    /* As in `between`. Numbers of two rows in turns, then of four, then of all eight. */
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(from + i * step);
    for (int i = 0; i < 8; i += 4)
        for (int j = i; j < i + 2; j++) {
            b[j] = _mm256_unpacklo_ps(a[j], a[j + 2]);
            b[j + 2] = _mm256_unpackhi_ps(a[j], a[j + 2]);
        }
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(b[i], b[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(b[i], b[i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * LANES, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * LANES, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
#else
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) to[j * LANES + i] = from[i * step + j];
#endif
}

/* NaN stays NaN. */
INLINE vector between(float least, vector x, float most) {
    /* Compilers do not see it in the last one; of two, one of them NaN, these give the second. */
#if defined __AVX512F__
    return _mm512_max_ps(all(least), _mm512_min_ps(all(most), x));
#elif defined __AVX__
    return _mm256_max_ps(all(least), _mm256_min_ps(all(most), x));
#else
    x = where(x > most, all(most), x);
    return where(x < least, all(least), x);
#endif
}

INLINE float total(vector v) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps(v);
#else
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
#endif
}

INLINE float dot(const float *a, const float *b, int length) {
    vector sum = all(0.0f);
    for (int k = 0; k < length; k += LANES) sum += load(a + k) * load(b + k);
    return total(sum);
}

/* Within one unit in the last place; NaN, as arithmetic makes it, stays so. What is beyond 10^±26
 * stops there: it is nothing or all beside 1, and far from denormal numbers, which are slow. */
INLINE vector exponential(vector x) {
    x = between(-60.0f, x, 60.0f);
    /* Adding 1.5 · 2²³ rounds to a whole number, whose bits are the last ones then. */
    vector rounded = x * 1.44269504f + 12582912.0f, n = rounded - 12582912.0f;
    vector r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    /* Minimax, of (e^r - 1 - r) / r² up to log(2) / 2. */
    vector p = 1.381454e-3f * r + 8.368745e-3f;
    p = p * r + 4.166839e-2f;
    p = p * r + 1.6666521e-1f;
    p = p * r + 4.9999994e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    /* Times 2ⁿ, which is added to the exponent. */
    return (vector)((integers)p + ((integers)rounded << 23));
}

INLINE vector sigmoid(vector x) { return 1.0f / (1.0f + exponential(-x)); }

INLINE vector hyperbolic_tangent(vector x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }

/* sigmoid(x) tanh(y), with one division. */
INLINE vector gated(vector x, vector y) {
    vector of_x = exponential(-x), of_y = exponential(-2.0f * y);
    return (1.0f - of_y) / ((1.0f + of_x) * (1.0f + of_y));
}

/* Where the vector for position k of a row begins: the last one early enough to end with it. */
INLINE int begin(int k, int length) { return k + LANES <= length ? k : length - LANES; }

