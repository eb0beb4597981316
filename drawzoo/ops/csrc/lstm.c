/* The pointwise half of an LSTM, in one pass over the memory, a whole step of one, their gradients,
 * and all steps of one whose inputs are known beforehand. */

#include <string.h>

#include "products.h"

/* The version of the library and of its functions' arguments: `ops.library` refuses another. */
int drawzoo_version(void) { return 3; }

/* Some units of an image. From one gate to the next it is `step` numbers, and `active_step`. */
static void lstm_one(
    int units, const float *gates, int step, const float *cell, float *active, int active_step,
    float *next, float *hidden
) {
    for (int k = 0; k < units; k += LANES) {
        int u = begin(k, units);
        vector i = sigmoid(load(gates + u)), f = sigmoid(load(gates + step + u));
        vector g = hyperbolic_tangent(load(gates + 2 * step + u));
        vector o = sigmoid(load(gates + 3 * step + u)), c = f * load(cell + u) + i * g;
        store(next + u, c);
        store(hidden + u, o * hyperbolic_tangent(c));
        if (!active) continue;
        store(active + u, i);
        store(active + active_step + u, f);
        store(active + 2 * active_step + u, g);
        store(active + 3 * active_step + u, o);
    }
}

static void lstm_gradient_one(
    int units, const float *active, const float *cell, const float *next, const float *d_hidden,
    const float *d_next, float *d_gates, float *d_cell
) {
    for (int k = 0; k < units; k += LANES) {
        int u = begin(k, units);
        vector i = load(active + u), f = load(active + units + u);
        vector g = load(active + 2 * units + u), o = load(active + 3 * units + u);
        vector t = hyperbolic_tangent(load(next + u)), d_h = load(d_hidden + u);
        vector d = load(d_next + u) + d_h * o * (1.0f - t * t);
        store(d_gates + u, d * g * i * (1.0f - i));
        store(d_gates + units + u, d * load(cell + u) * f * (1.0f - f));
        store(d_gates + 2 * units + u, d * i * (1.0f - g * g));
        store(d_gates + 3 * units + u, d_h * t * o * (1.0f - o));
        store(d_cell + u, d * f);
    }
}

/* Cell and hidden state [B, U] of gates [B, 4 U] (i, f, g, o), and the active gates [B, 4 U] unless
 * they are null. */
void drawzoo_lstm(
    int threads, int batch, int units, const float *gates, const float *cell, float *active,
    float *next, float *hidden
) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int b = 0; b < batch; b++) {
        int64_t row = (int64_t)b * units;
        lstm_one(
            units, gates + 4 * row, units, cell + row, active ? active + 4 * row : NULL, units,
            next + row, hidden + row
        );
    }
}

/* The gradients of gates and cell, from the gradients of the hidden state and the next cell. */
void drawzoo_lstm_gradient(
    int threads, int batch, int units, const float *active, const float *cell, const float *next,
    const float *d_hidden, const float *d_next, float *d_gates, float *d_cell
) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int b = 0; b < batch; b++) {
        int64_t row = (int64_t)b * units;
        lstm_gradient_one(
            units, active + 4 * row, cell + row, next + row, d_hidden + row, d_next + row,
            d_gates + 4 * row, d_cell + row
        );
    }
}

/* Images, at most, whose gates are computed at once: they stay in a thread's caches. */
#define BLOCK 60

struct step {
    int units, length;
    const float *values, *laid, *bias, *drive, *cell;
    float *active, *next, *hidden;
};

/* Some panels of units from u on, of the images from `first` to `end`, a BLOCK at most. */
static void step_some(const struct step *lstm, int u, int panels, int first, int end) {
    float gates[BLOCK * 4 * PANELS * LANES];
    int units = lstm->units, length = lstm->length, width = panels * LANES;
    for (int b = first; lstm->drive && b < end; b++)
        for (int k = 0; k < 4 * width; k += LANES) {
            int column = k / width * units + u + k % width;
            vector drive = load(lstm->drive + (int64_t)b * 4 * units + column);
            store(gates + (b - first) * 4 * width + k, drive + load(lstm->bias + column));
        }
    for (int gate = 0; gate < 4; gate++) {
        int column = gate * units + u;
        struct panels by = {lstm->laid + (int64_t)column * length, (int64_t)LANES * length};
        for (int b = first; b < end; b += ROWS) {
            struct rows rows = {lstm->values + (int64_t)b * length, length, 1};
            multiply(
                least(end - b, ROWS), panels, length, rows, by,
                lstm->drive ? NULL : lstm->bias + column,
                gates + (b - first) * 4 * width + gate * width, 4 * width
            );
        }
    }
    for (int b = first; b < end; b++) {
        int64_t row = (int64_t)b * units + u;
        lstm_one(
            width, gates + (b - first) * 4 * width, width, lstm->cell + row,
            lstm->active ? lstm->active + 4 * (row - u) + u : NULL, units, lstm->next + row,
            lstm->hidden + row
        );
    }
}

/* As drawzoo_lstm, of the gates bias + drive [B, 4 U], if there is one, + values [B, K] weightᵀ,
 * with the weight [4 U, K] laid out. */
void drawzoo_step(
    int threads, int batch, int units, int length, const float *values, const float *laid,
    const float *bias, const float *drive, const float *cell, float *active, float *next,
    float *hidden
) {
    struct step lstm = {
        units, length, values, laid, bias, drive, cell, active, next, hidden
    };
    int blocks = (batch + BLOCK - 1) / BLOCK, all = units / LANES;
    int groups = (all + PANELS - 1) / PANELS;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < groups * blocks; i++) {
        int group = i / blocks, panel = all * group / groups, block = i % blocks;
        int first = (int)((int64_t)batch * block / blocks);
        int end = (int)((int64_t)batch * (block + 1) / blocks);
        step_some(&lstm, panel * LANES, all * (group + 1) / groups - panel, first, end);
    }
}

/* As drawzoo_lstm_gradient, and d_values [B, K] = d_gates weight, which is laid out. */
void drawzoo_step_gradient(
    int threads, int batch, int units, int length, const float *active, const float *cell,
    const float *next, const float *d_hidden, const float *d_next, const float *laid,
    float *d_gates, float *d_cell, float *d_values
) {
    drawzoo_lstm_gradient(
        threads, batch, units, active, cell, next, d_hidden, d_next, d_gates, d_cell
    );
    drawzoo_product(threads, batch, 4 * units, length, d_gates, laid, d_values);
}

/* All steps at once: a thread takes its images through all of them, where with a product for each
 * step all threads would wait for each other (after Diamos et al., 2016, Persistent RNNs). */

/* From hidden [B, U], `hidden_step` from one to the next, to output [B, T, U]; in cell [B, U] the
 * first becomes the last. joined [2, B, I + U] has inputs and state of a step and of the next. */
struct unrolled {
    int batch, steps, inputs, units, hidden_step;
    const float *input, *hidden, *laid, *bias;
    float *cell, *joined, *output;
};

INLINE float *joined(const struct unrolled *lstm, int t, int b) {
    return lstm->joined + ((int64_t)(t % 2) * lstm->batch + b) * (lstm->inputs + lstm->units);
}

/* Step t of some panels of units from u on, of images from `first` to `end`, a BLOCK at most. */
static void unroll_some(const struct unrolled *lstm, int t, int u, int panels, int first, int end) {
    float gates[4][BLOCK * PANELS * LANES], same[PANELS * LANES];
    int inputs = lstm->inputs, units = lstm->units, both = inputs + units, width = panels * LANES;
    /* One state for all before the first step: so is its product. */
    int shared = t == 0 && lstm->hidden_step == 0;
    for (int gate = 0; gate < 4; gate++) {
        int column = gate * units + u;
        const float *start = lstm->bias + column;
        struct panels by = {lstm->laid + (int64_t)column * both, (int64_t)LANES * both};
        if (shared) {
            struct rows hidden = {lstm->hidden, 0, 1};
            struct panels of_hidden = {by.first + inputs * LANES, by.next};
            multiply(1, panels, units, hidden, of_hidden, start, same, width);
            start = same;
        }
        for (int b = first; b < end; b += ROWS) {
            struct rows rows = {joined(lstm, t, b), both, 1};
            multiply(
                least(end - b, ROWS), panels, shared ? inputs : both, rows, by, start,
                gates[gate] + (b - first) * width, width
            );
        }
    }
    for (int b = first; b < end; b++)
        for (int k = 0; k < width; k += LANES) {
            int at = (b - first) * width + k;
            float *cell = lstm->cell + (int64_t)b * units + u + k;
            vector i = load(gates[0] + at), f = load(gates[1] + at);
            vector g = load(gates[2] + at), o = load(gates[3] + at);
            vector c = sigmoid(f) * load(cell) + gated(i, g), h = gated(o, c);
            store(cell, c);
            store(lstm->output + ((int64_t)b * lstm->steps + t) * units + u + k, h);
            store(joined(lstm, t + 1, b) + inputs + u + k, h);
        }
}

/* The hidden states output [B, T, U] for input [T, B, I], with weights [4 U, I + U] laid out, and
 * the last cell in place of the first. */
void drawzoo_unroll(
    int threads, int batch, int steps, int inputs, int units, int hidden_step, const float *input,
    const float *hidden, const float *laid, const float *bias, float *cell, float *joint,
    float *output
) {
    struct unrolled lstm = {
        batch, steps, inputs, units, hidden_step, input, hidden, laid, bias, cell, joint, output
    };
    int blocks = (batch + BLOCK - 1) / BLOCK;
    blocks = (blocks + threads - 1) / threads * threads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < blocks; i++) {
        int first = (int)((int64_t)batch * i / blocks);
        int end = (int)((int64_t)batch * (i + 1) / blocks);
        for (int b = first; b < end; b++)
            memcpy(
                joined(&lstm, 0, b) + inputs, hidden + (int64_t)b * hidden_step,
                sizeof(float) * (size_t)units
            );
        for (int t = 0; t < steps; t++) {
            for (int b = first; b < end; b++)
                memcpy(
                    joined(&lstm, t, b), input + ((int64_t)t * batch + b) * inputs,
                    sizeof(float) * (size_t)inputs
                );
            for (int u = 0; u < units; u += PANELS * LANES)
                unroll_some(&lstm, t, u, least((units - u) / LANES, PANELS), first, end);
        }
    }
}
