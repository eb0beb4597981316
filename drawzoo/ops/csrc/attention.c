/* The attention, in one pass over the memory, and its gradients. */

#include <stddef.h>
#include <string.h>

#include "vectors.h"

/* N times the longer side of an image, at most, the side rounded up to whole vectors.
 * `ops.filterbank` keeps what is larger away, and images of less than a vector's width. */
#define ROOM 1024

/* A window of each image, N filters along each side: columns of numbers, each with the distance
 * from one number to the next. */
struct windows {
    int size;
    const float *gx;
    int gx_step;
    const float *gy;
    int gy_step;
    const float *stride;
    int stride_step;
    const float *variance;
    int variance_step;
};

/* The window of one image. */
struct window {
    float gx, gy, stride, variance;
};

INLINE struct window of(const struct windows *all, int64_t b) {
    struct window one = {
        all->gx[b * all->gx_step], all->gy[b * all->gy_step], all->stride[b * all->stride_step],
        all->variance[b * all->variance_step]
    };
    return one;
}

INLINE int padded(int length) { return (length + LANES - 1) / LANES * LANES; }

INLINE float offset(int i, int size) { return (float)i + 0.5f - 0.5f * (float)size; }

INLINE float precision(float variance) { return 0.5f / (variance < 1e-8f ? 1e-8f : variance); }

/* The filters along one axis of length L, [N, P], eq. 19, 20, 25 and 26, zero from L to P.
 *
 * With `slopes`, behind them come their derivatives with respect to the centre, to the variance
 * and to the stride, [N, P] each. */
INLINE void filters(
    float centre, float stride, float variance, int size, int length, int slopes, float *bank
) {
    vector ordinal;
    for (int i = 0; i < LANES; i++) ordinal[i] = (float)(i + 1);
    int pitch = padded(length), block = size * pitch;
    float scale = precision(variance), slope = variance < 1e-8f ? 0.0f : -scale / variance;
    for (int i = 0; i < size; i++) {
        float *f = bank + i * pitch;
        float mu = centre + offset(i, size) * stride;
        /* The largest exponent, which the nearest pixel has, is taken from all. Of a pixel that is k
         * before it, (near - mu)² - (near - k - mu)² is left, without cancellation. */
        float near = (mu + 12582912.0f) - 12582912.0f;
        near = near < 1.0f ? 1.0f : near > (float)length ? (float)length : near;
        float twice = 2.0f * (near - mu);
        vector sum = all(0.0f), sum_k = sum, sum_exponent = sum;
        for (int a = 0; a < pitch; a += LANES) {
            vector k = near - (float)a - ordinal, exponent = k * (twice - k);
            vector value = exponential(scale * exponent);
            value = where(k < near - (float)length, all(0.0f), value);
            store(f + a, value);
            sum += value;
            if (!slopes) continue;
            sum_k += value * k;
            sum_exponent += value * exponent;
        }
        float over = 1.0f / total(sum);
        if (!slopes) {
            for (int a = 0; a < pitch; a += LANES) store(f + a, over * load(f + a));
            continue;
        }
        float mean_k = over * total(sum_k), mean_exponent = over * total(sum_exponent);
        for (int a = 0; a < pitch; a += LANES) {
            vector k = near - (float)a - ordinal, value = over * load(f + a);
            vector of_centre = 2.0f * scale * value * (mean_k - k);
            store(f + a, value);
            store(f + block + a, of_centre);
            store(f + 2 * block + a, slope * value * (k * (twice - k) - mean_exponent));
            store(f + 3 * block + a, offset(i, size) * of_centre);
        }
    }
}

/* rows [K, P] = filters [K, P'] image [H, W] for a K that the compiler knows */
INLINE void look_some(
    int count, const float *filters, int height, const float *image, int width, float *rows
) {
    int pitch = padded(width), step = padded(height);
    for (int w = 0; w < width; w += 2 * LANES) {
        int one = begin(w, width), two = begin(w + LANES, width);
        vector ones[5] = {{0}}, twos[5] = {{0}};
        for (int h = 0; h < height; h++) {
            vector at_one = load(image + h * width + one), at_two = load(image + h * width + two);
            for (int i = 0; i < count; i++) {
                ones[i] += filters[i * step + h] * at_one;
                twos[i] += filters[i * step + h] * at_two;
            }
        }
        for (int i = 0; i < count; i++) {
            store(rows + i * pitch + one, ones[i]);
            store(rows + i * pitch + two, twos[i]);
        }
    }
}

INLINE void look(
    int count, const float *filters, int height, const float *image, int width, float *rows
) {
    int pitch = padded(width), step = padded(height), i = 0;
    memset(rows, 0, sizeof(float) * (size_t)(count * pitch));
    for (; i + 5 <= count; i += 5)
        look_some(5, filters + i * step, height, image, width, rows + i * pitch);
    for (; i + 2 <= count; i += 2)
        look_some(2, filters + i * step, height, image, width, rows + i * pitch);
    for (; i < count; i++)
        look_some(1, filters + i * step, height, image, width, rows + i * pitch);
}

/* image [H, W] += F_Yᵀ rows [K, P] for a K that the compiler knows */
INLINE void add_some(
    int count, const float *filters, int height, const float *rows, int width, float *image
) {
    int pitch = padded(width), step = padded(height);
    for (int w = 0; w < width; w += LANES) {
        int at = begin(w, width);
        vector row[5];
        for (int i = 0; i < count; i++) {
            row[i] = load(rows + i * pitch + at);
            /* What the vector before has added already. */
            for (int lane = 0; lane < w - at; lane++) row[i][lane] = 0.0f;
        }
        for (int h = 0; h < height; h++) {
            vector sum = load(image + h * width + at);
            for (int i = 0; i < count; i++) sum += filters[i * step + h] * row[i];
            store(image + h * width + at, sum);
        }
    }
}

INLINE void add(
    int count, const float *filters, int height, const float *rows, int width, float *image
) {
    int pitch = padded(width), step = padded(height), i = 0;
    for (; i + 5 <= count; i += 5)
        add_some(5, filters + i * step, height, rows + i * pitch, width, image);
    for (; i + 2 <= count; i += 2)
        add_some(2, filters + i * step, height, rows + i * pitch, width, image);
    for (; i < count; i++)
        add_some(1, filters + i * step, height, rows + i * pitch, width, image);
}

/* rows [N, P] = patch [N, N] F_X [N, P] */
INLINE void spread(const float *patch, const float *fx, int size, int pitch, float *rows) {
    for (int i = 0; i < size; i++)
        for (int w = 0; w < pitch; w += LANES) {
            vector sum = all(0.0f);
            for (int j = 0; j < size; j++) sum += patch[i * size + j] * load(fx + j * pitch + w);
            store(rows + i * pitch + w, sum);
        }
}

/* patch [N, N] = rows [N, P] F_Xᵀ */
INLINE void meet(int size, const float *rows, const float *fx, int pitch, float *patch) {
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++)
            patch[i * size + j] = dot(rows + i * pitch, fx + j * pitch, pitch);
}

static void read_one(
    struct window at, int n, int channels, int height, int width, const float *image,
    float *patch
) {
    float fy[ROOM], fx[ROOM], rows[ROOM];
    int pitch = padded(width);
    filters(at.gy, at.stride, at.variance, n, height, 0, fy);
    filters(at.gx, at.stride, at.variance, n, width, 0, fx);
    for (int c = 0; c < channels; c++) {
        look(n, fy, height, image + c * height * width, width, rows);
        meet(n, rows, fx, pitch, patch + c * n * n);
    }
}

static void write_one(
    struct window at, int n, int channels, int height, int width, const float *patch,
    float *image
) {
    float fy[ROOM], fx[ROOM], rows[ROOM];
    filters(at.gy, at.stride, at.variance, n, height, 0, fy);
    filters(at.gx, at.stride, at.variance, n, width, 0, fx);
    for (int c = 0; c < channels; c++) {
        spread(patch + c * n * n, fx, n, padded(width), rows);
        add(n, fy, height, rows, width, image + c * height * width);
    }
}

static void gradient_one(
    struct window at, int n, int channels, int height, int width, const float *image,
    const float *patch, float *d_image, float *d_patch, float *d_gx, float *d_gy, float *d_stride,
    float *d_variance
) {
    float fy[4 * ROOM], fx[4 * ROOM], looked[3 * ROOM], rows[ROOM];
    int pitch = padded(width), block = n * pitch, pixels = height * width;
    filters(at.gy, at.stride, at.variance, n, height, 1, fy);
    filters(at.gx, at.stride, at.variance, n, width, 1, fx);
    *d_gx = *d_gy = *d_stride = *d_variance = 0.0f;
    for (int c = 0; c < channels; c++) {
        const float *g = patch + c * n * n;
        /* Through F_Y: its derivatives look at the image, too. */
        look(3 * n, fy, height, image + c * pixels, width, looked);
        spread(g, fx, n, pitch, rows);
        for (int i = 0; i < n; i++) {
            float d_mu = dot(rows + i * pitch, looked + block + i * pitch, pitch);
            *d_gy += d_mu;
            *d_stride += d_mu * offset(i, n);
        }
        *d_variance += dot(rows, looked + 2 * block, block);
        if (d_image) add(n, fy, height, rows, width, d_image + c * pixels);
        if (d_patch) meet(n, looked, fx, pitch, d_patch + c * n * n);
        /* Through F_X: the patch is spread by its derivatives. */
        spread(g, fx + block, n, pitch, rows);
        *d_gx += dot(rows, looked, block);
        spread(g, fx + 2 * block, n, pitch, rows);
        *d_variance += dot(rows, looked, block);
        spread(g, fx + 3 * block, n, pitch, rows);
        *d_stride += dot(rows, looked, block);
    }
}

/* patch [B, C, N, N] = F_Y image F_Xᵀ of each image [B, C, H, W]. */
void drawzoo_read(
    int threads, int batch, int channels, int height, int width, struct windows at,
    const float *image, float *patch
) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int b = 0; b < batch; b++)
        read_one(
            of(&at, b), at.size, channels, height, width,
            image + (int64_t)b * channels * height * width,
            patch + (int64_t)b * channels * at.size * at.size
        );
}

/* image [B, C, H, W] = the sum over T in a row of F_Yᵀ patch F_X, patches [B · T, C, N, N]. */
void drawzoo_write(
    int threads, int batch, int channels, int height, int width, struct windows at,
    const float *patch, float *image, int steps
) {
    int pixels = channels * height * width;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int b = 0; b < batch; b++) {
        float *out = image + (int64_t)b * pixels;
        memset(out, 0, sizeof(float) * (size_t)pixels);
        for (int t = b * steps; t < (b + 1) * steps; t++)
            write_one(
                of(&at, t), at.size, channels, height, width,
                patch + (int64_t)t * channels * at.size * at.size, out
            );
    }
}

/* The gradients of Σ patch · (F_Y image F_Xᵀ): [4, B] with respect to gx, gy, stride and variance,
 * and those with respect to the image and to the patch unless they are null. */
void drawzoo_gradient(
    int threads, int batch, int channels, int height, int width, struct windows at,
    const float *image, const float *patch, float *d_image, float *d_patch, float *d_window
) {
    int pixels = channels * height * width, filtered = channels * at.size * at.size;
    if (d_image) memset(d_image, 0, sizeof(float) * (size_t)batch * (size_t)pixels);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int b = 0; b < batch; b++) {
        int64_t in_image = (int64_t)b * pixels, in_patch = (int64_t)b * filtered;
        gradient_one(
            of(&at, b), at.size, channels, height, width, image + in_image, patch + in_patch,
            d_image ? d_image + in_image : NULL, d_patch ? d_patch + in_patch : NULL, d_window + b,
            d_window + batch + b, d_window + 2 * batch + b, d_window + 3 * batch + b
        );
    }
}
