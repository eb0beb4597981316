/* Products of matrices. A library's lay the weights out anew at each step of an LSTM, and split
 * small ones badly among threads. */

#include <string.h>

#include "products.h"

/* The panel of `count` columns of a matrix [K, N], so many numbers from row to row and from column
 * to column. */
static void lay_out_panel(
    int length, int count, int64_t row_step, int64_t column_step, const float *from, float *to
) {
    int k = 0;
    if (count < LANES) memset(to, 0, sizeof(float) * (size_t)length * LANES);
    if (count == LANES && column_step == 1)
        for (; k < length; k++) store(to + k * LANES, load(from + k * row_step));
    if (count == LANES && row_step == 1)
        for (; k + 8 <= length; k += 8)
            for (int i = 0; i < LANES; i += 8)
                transpose(from + k + i * column_step, column_step, to + k * LANES + i);
    for (; k < length; k++)
        for (int i = 0; i < count; i++) to[k * LANES + i] = from[k * row_step + i * column_step];
}

/* laid [N / LANES, K, LANES] of a matrix [K, N]. */
void drawzoo_lay_out(
    int threads, int length, int columns, int row_step, int column_step, const float *matrix,
    float *laid
) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int n = 0; n < columns; n += LANES)
        lay_out_panel(
            length, least(columns - n, LANES), row_step, column_step,
            matrix + (int64_t)n * column_step, laid + (int64_t)n * length
        );
}

/* out [B, N] = values [B, K] matrix [K, N], or added to what is there. */
struct product {
    int batch, length, columns;
    struct rows values;
    /* From one row to that a vector's width after it. */
    int64_t rows;
    const float *laid;
    int adds;
    float *out;
};

/* One of several parts, with as many tiles each. */
static void multiply_part(struct product all, int part, int parts) {
    const float zero[PANELS * LANES] = {0}, *start = all.adds ? NULL : zero;
    int high = (all.batch + ROWS - 1) / ROWS, panels = (all.columns + LANES - 1) / LANES;
    int64_t tiles = (int64_t)high * ((panels + PANELS - 1) / PANELS);
    for (int64_t tile = tiles * part / parts; tile < tiles * (part + 1) / parts; tile++) {
        int b = (int)(tile % high) * ROWS, panel = (int)(tile / high) * PANELS, n = panel * LANES;
        int rows = least(all.batch - b, ROWS), width = least(panels - panel, PANELS);
        struct rows values = all.values;
        values.first += b / LANES * all.rows + b % LANES * values.row;
        struct panels by = {all.laid + (int64_t)n * all.length, (int64_t)LANES * all.length};
        float *out = all.out + (int64_t)b * all.columns + n, last[ROWS * PANELS * LANES] = {0};
        if (n + width * LANES <= all.columns) {
            multiply(rows, width, all.length, values, by, start, out, all.columns);
            continue;
        }
        size_t bytes = sizeof(float) * (size_t)(all.columns - n);
        for (int i = 0; all.adds && i < rows; i++)
            memcpy(last + i * width * LANES, out + i * all.columns, bytes);
        multiply(rows, width, all.length, values, by, NULL, last, width * LANES);
        for (int i = 0; i < rows; i++)
            memcpy(out + i * all.columns, last + i * width * LANES, bytes);
    }
}

/* out [B, N] = values [B, K] matrix [K, N], which is laid out. */
void drawzoo_product(
    int threads, int batch, int length, int columns, const float *values, const float *laid,
    float *out
) {
    struct product product = {
        batch, length, columns, {values, length, 1}, (int64_t)length * LANES, laid, 0, out
    };
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int part = 0; part < threads; part++) multiply_part(product, part, threads);
}

/* Columns of `outer` at once: laid out, they stay in a thread's caches. */
#define CHUNK 128

/* Panels of columns from n on, of `pairs` matrices [B, N] one below the other. */
INLINE void lay_out_pairs(
    int pairs, int batch, int columns, int n, const float *const *matrices, float *laid
) {
    int64_t size = (int64_t)batch * LANES;
    for (int t = 0; t < pairs; t++)
        lay_out_panel(
            batch, least(columns - n, LANES), columns, 1, matrices[t] + n,
            laid + n * pairs * (int64_t)batch + t * size
        );
}

/* weight [N, K] = the sum of outerᵀ inner over pairs of [B, N] and [B, K]; bias [N] = the sum of
 * all rows of outer. `some` pairs at a time are laid out in `laid`, the columns of both filled up.
 */
void drawzoo_weight_gradient(
    int threads, int pairs, int some, int batch, int rows, int columns, const float *const *outer,
    const float *const *inner, float *laid, float *weight, float *bias
) {
    memset(bias, 0, sizeof(float) * (size_t)rows);
#pragma omp parallel num_threads(threads)
    for (int t = 0; t < pairs; t += some) {
        int count = least(pairs - t, some), length = count * batch;
        float *laid_inner = laid + (int64_t)(rows + LANES - 1) / LANES * LANES * length;
#pragma omp for schedule(static)
        for (int n = 0; n < rows; n += LANES) {
            vector sum = all(0.0f);
            lay_out_pairs(count, batch, rows, n, outer + t, laid);
            for (int b = 0; b < length; b++) sum += load(laid + (int64_t)n * length + b * LANES);
            for (int i = 0; i < least(rows - n, LANES); i++) bias[n + i] += sum[i];
        }
#pragma omp for schedule(static)
        for (int n = 0; n < columns; n += LANES)
            lay_out_pairs(count, batch, columns, n, inner + t, laid_inner);
#pragma omp for schedule(static)
        for (int n = 0; n < rows; n += CHUNK) {
            struct product product = {
                least(rows - n, CHUNK), length, columns,
                {laid + (int64_t)n * length, 1, LANES}, (int64_t)length * LANES,
                laid_inner, t > 0, weight + (int64_t)n * columns
            };
            multiply_part(product, 0, 1);
        }
    }
}
