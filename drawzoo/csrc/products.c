/* Products of matrices. A library's lay the weights out anew at each step of an LSTM, and split
 * small ones badly among threads. */

#include <string.h>

#include "products.h"

/* laid [N / 8, K, 8] of a matrix [K, N], so many numbers from row to row and column to column. */
void drawzoo_lay_out(
    int threads, int length, int columns, int row_step, int column_step, const float *matrix,
    float *laid
) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int n = 0; n < columns; n += LANES) {
        float *to = laid + (int64_t)n * length;
        int count = columns - n < LANES ? columns - n : LANES;
        const float *from = matrix + (int64_t)n * column_step;
        if (count < LANES) memset(to, 0, sizeof(float) * (size_t)length * LANES);
        if (count == LANES && column_step == 1)
            for (int k = 0; k < length; k++)
                store(to + k * LANES, load(from + (int64_t)k * row_step));
        else
            for (int i = 0; i < count; i++)
                for (int k = 0; k < length; k++)
                    to[k * LANES + i] = from[(int64_t)k * row_step + (int64_t)i * column_step];
    }
}

/* out [B, N] = start [N], if there is one, + values [B, K] matrix [K, N], which is laid out. */
void drawzoo_product(
    int threads, int batch, int length, int columns, const float *values, const float *laid,
    const float *start, float *out
) {
    const struct rows none = {0};
    int groups = (batch + GROUP - 1) / GROUP;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int n = 0; n < columns; n += PAIR) {
        int count = columns - n < PAIR ? columns - n : PAIR;
        size_t bytes = sizeof(float) * (size_t)count;
        float first[PAIR] = {0}, last[GROUP * PAIR];
        if (start) memcpy(first, start + n, bytes);
        struct start begin = {first, first + LANES};
        const float *one = laid + (int64_t)n * length;
        struct panels by = {one, count > LANES ? one + (int64_t)LANES * length : one};
        for (int g = 0; g < groups; g++) {
            int64_t b = (int64_t)batch * g / groups, end = (int64_t)batch * (g + 1) / groups;
            struct rows some = {length, values + b * length, length};
            float *to = out + b * columns + n;
            if (count == PAIR) {
                multiply_group((int)(end - b), some, by, none, by, begin, to, columns);
                continue;
            }
            multiply_group((int)(end - b), some, by, none, by, begin, last, PAIR);
            for (int i = 0; i < end - b; i++)
                memcpy(to + (int64_t)i * columns, last + i * PAIR, bytes);
        }
    }
}
