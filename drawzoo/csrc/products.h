/* Products of some rows with a matrix that is laid out for it. */

#pragma once

#include <stddef.h>

#include "vectors.h"

/* A matrix [K, N] is laid out in panels of eight columns, [N / 8, K, 8], the last one filled up.
 * Two panels at a time are multiplied by a group of rows, whose sums are in registers meanwhile. */
#define PAIR (2 * LANES)
#define GROUP 6

/* Some rows of a matrix: `length` numbers of each, `step` apart. */
struct rows {
    int length;
    const float *first;
    int64_t step;
};

struct panels {
    const float *one, *two;
};

/* What the sums of all rows begin with: eight numbers for each panel. */
struct start {
    const float *one, *two;
};

/* sums [count, 16] += values [count, K] panels [K, 16] for a count that the compiler knows */
INLINE void multiply(int count, struct rows values, struct panels by, vector (*sums)[2]) {
    for (int k = 0; k < values.length; k++) {
        vector one = load(by.one + k * LANES), two = load(by.two + k * LANES);
#pragma GCC unroll 6
        for (int b = 0; b < count; b++) {
            vector value = all(values.first[b * values.step + k]);
            sums[b][0] += value * one;
            sums[b][1] += value * two;
        }
    }
}

INLINE void multiply_some(
    int count, struct rows a, struct panels by_a, struct rows b, struct panels by_b,
    struct start start, float *out, int64_t out_step
) {
    vector sums[GROUP][2];
#pragma GCC unroll 6
    for (int i = 0; i < count; i++) {
        sums[i][0] = load(start.one);
        sums[i][1] = load(start.two);
    }
    multiply(count, a, by_a, sums);
    multiply(count, b, by_b, sums);
#pragma GCC unroll 6
    for (int i = 0; i < count; i++) {
        store(out + i * out_step, sums[i][0]);
        store(out + i * out_step + LANES, sums[i][1]);
    }
}

/* out [count, 16] = start + [a, b] [by_a, by_b] for up to a GROUP of rows */
static inline void multiply_group(
    int count, struct rows a, struct panels by_a, struct rows b, struct panels by_b,
    struct start start, float *out, int64_t out_step
) {
    switch (count) {
        case 1: multiply_some(1, a, by_a, b, by_b, start, out, out_step); break;
        case 2: multiply_some(2, a, by_a, b, by_b, start, out, out_step); break;
        case 3: multiply_some(3, a, by_a, b, by_b, start, out, out_step); break;
        case 4: multiply_some(4, a, by_a, b, by_b, start, out, out_step); break;
        case 5: multiply_some(5, a, by_a, b, by_b, start, out, out_step); break;
        case 6: multiply_some(6, a, by_a, b, by_b, start, out, out_step); break;
    }
}
