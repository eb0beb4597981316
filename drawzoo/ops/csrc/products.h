/* Products of matrices, in tiles of a few rows and panels. */

#pragma once

#include <stddef.h>

#include "vectors.h"

INLINE int least(int a, int b) { return a < b ? a : b; }

/* A matrix [K, N] is laid out in panels of a vector's columns, [N / LANES, K, LANES], the last one
 * filled up. The sums of a tile, a vector of each panel and a number of a row fill the registers:
 * thirty-two, or sixteen. */
#define ROWS (LANES / 2)
#define PANELS 3

/* Some rows of a matrix: `row` numbers from one to the next, `step` from number to number. */
struct rows {
    const float *first;
    int64_t row, step;
};

/* Some panels, `next` numbers from one to the next. */
struct panels {
    const float *first;
    int64_t next;
};

/* For a count of rows and of panels that the compiler knows. */
INLINE void multiply_tile(
    int count, int width, int length, struct rows values, struct panels by, const float *start,
    float *out, int64_t out_row
) {
    vector sums[ROWS][PANELS] = {{{0}}};
    for (int k = 0; k < length; k++) {
        vector panels[PANELS];
#pragma GCC unroll 3
        for (int p = 0; p < width; p++) panels[p] = load(by.first + p * by.next + k * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) {
            vector value = all(values.first[i * values.row + k * values.step]);
#pragma GCC unroll 3
            for (int p = 0; p < width; p++) add_product(&sums[i][p], value, panels[p]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < count; i++)
#pragma GCC unroll 3
        for (int p = 0; p < width; p++) {
            float *to = out + i * out_row + p * LANES;
            store(to, sums[i][p] + load(start ? start + p * LANES : to));
        }
}

/* out [R, N] = start [N] + values [R, K] panels [K, N] for up to ROWS and PANELS of them, and
 * what is there already instead of a start that is null. */
static inline void multiply(
    int rows, int panels, int length, struct rows values, struct panels by, const float *start,
    float *out, int64_t out_row
) {
#define TILE(R, P) \
    case R * ROWS + P: multiply_tile(R, P, length, values, by, start, out, out_row); break;
#if LANES == 16
#define MORE(P) TILE(5, P) TILE(6, P) TILE(7, P) TILE(8, P)
#else
#define MORE(P)
#endif
#define TILES(P) TILE(1, P) TILE(2, P) TILE(3, P) TILE(4, P) MORE(P)
    switch (rows * ROWS + panels) { TILES(1) TILES(2) TILES(3) }
#undef TILES
#undef MORE
#undef TILE
}

/* In products.c. */
void drawzoo_product(
    int threads, int batch, int length, int columns, const float *values, const float *laid,
    float *out
);
