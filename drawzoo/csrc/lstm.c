/* The pointwise half of an LSTM, in one pass over the memory, and its gradients; and all steps of a
 * whole LSTM whose inputs are known beforehand. */

#include <stddef.h>

#include "vectors.h"

/* Of the whole library and what its functions take: `kernels.py` refuses one with another. */
int drawzoo_version(void) { return 2; }

static void lstm_one(
    int units, const float *gates, const float *cell, float *active, float *next, float *hidden
) {
    for (int k = 0; k < units; k += LANES) {
        int u = begin(k, units);
        vector i = sigmoid(load(gates + u)), f = sigmoid(load(gates + units + u));
        vector g = hyperbolic_tangent(load(gates + 2 * units + u));
        vector o = sigmoid(load(gates + 3 * units + u)), c = f * load(cell + u) + i * g;
        store(next + u, c);
        store(hidden + u, o * hyperbolic_tangent(c));
        if (!active) continue;
        store(active + u, i);
        store(active + units + u, f);
        store(active + 2 * units + u, g);
        store(active + 3 * units + u, o);
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
            units, gates + 4 * row, cell + row, active ? active + 4 * row : NULL, next + row,
            hidden + row
        );
    }
}

/* The gradients of gates and cell, from those of the hidden state and the next cell. */
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

/* All steps at once.
 *
 * With a product of matrices for each step the weights are laid out anew at every step, and all
 * threads wait for each other. Here they are laid out once, and a thread takes its images through
 * all steps (after Diamos et al., 2016, Persistent RNNs). */

/* Images whose sums are in registers at the same time, two vectors each. */
#define GROUP 6

/* Images, at most, that a thread takes through a step before the next: they stay in its caches. */
#define BLOCK 60

/* Gates are computed two at a time, for eight units: i and g, then f and o. */
#define PAIR (2 * LANES)
static const int GATES[4] = {0, 2, 1, 3};

/* laid [U / 8, 2, 1 + I + U, 16] of a bias [4, U] and a weight [4, U, I + U]. */
void drawzoo_lay_out(
    int threads, int inputs, int units, const float *weight, const float *bias, float *laid
) {
    int length = inputs + units;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int p = 0; p < units / LANES * 2; p++)
        for (int column = 0; column < PAIR; column++) {
            int gate = GATES[p % 2 * 2 + column / LANES];
            int row = gate * units + p / 2 * LANES + column % LANES;
            const float *from = weight + (int64_t)row * length;
            float *to = laid + (int64_t)p * (1 + length) * PAIR + column;
            *to = bias[row];
            for (int k = 0; k < length; k++) to[(1 + k) * PAIR] = from[k];
        }
}

/* The numbers of some images that a weight's rows are for: `length` of each, `step` apart. */
struct rows {
    int length;
    const float *first;
    int64_t step;
};

/* sums [count, 16] += values [count, K] weight [K, 16] for a count that the compiler knows */
INLINE void multiply(int count, struct rows values, const float *weight, vector (*sums)[2]) {
    for (int k = 0; k < values.length; k++) {
        vector one = load(weight + k * PAIR), two = load(weight + k * PAIR + LANES);
#pragma GCC unroll 6
        for (int b = 0; b < count; b++) {
            vector value = all(values.first[b * values.step + k]);
            sums[b][0] += value * one;
            sums[b][1] += value * two;
        }
    }
}

/* gates [count, 16] = start [16] + [input, hidden] weight [I + U, 16] for such a count */
INLINE void gates_of(
    int count, struct rows input, struct rows hidden, const float *weight, const float *start,
    float *gates
) {
    vector sums[GROUP][2];
#pragma GCC unroll 6
    for (int b = 0; b < count; b++) {
        sums[b][0] = load(start);
        sums[b][1] = load(start + LANES);
    }
    multiply(count, input, weight, sums);
    multiply(count, hidden, weight + input.length * PAIR, sums);
#pragma GCC unroll 6
    for (int b = 0; b < count; b++) {
        store(gates + b * PAIR, sums[b][0]);
        store(gates + b * PAIR + LANES, sums[b][1]);
    }
}

/* The same for any number of images up to a GROUP. */
static void gates_of_group(
    int count, struct rows input, struct rows hidden, const float *weight, const float *start,
    float *gates
) {
    switch (count) {
        case 1: gates_of(1, input, hidden, weight, start, gates); break;
        case 2: gates_of(2, input, hidden, weight, start, gates); break;
        case 3: gates_of(3, input, hidden, weight, start, gates); break;
        case 4: gates_of(4, input, hidden, weight, start, gates); break;
        case 5: gates_of(5, input, hidden, weight, start, gates); break;
        case 6: gates_of(6, input, hidden, weight, start, gates); break;
    }
}

/* From hidden [B, U], `hidden_step` from one to the next, to output [B, T, U]; in cell [B, U] the
 * first becomes the last. */
struct unrolled {
    int batch, steps, inputs, units, hidden_step;
    const float *input, *hidden, *laid;
    float *cell, *output;
};

/* All steps of the images from `first` to `end`, a BLOCK at most. */
static void unroll_block(const struct unrolled *lstm, int first, int end) {
    float gates[2][BLOCK * PAIR], same[PAIR];
    int inputs = lstm->inputs, units = lstm->units, count = end - first;
    int groups = (count + GROUP - 1) / GROUP;
    struct rows none = {0, NULL, 0}, input = {inputs, NULL, inputs}, hidden = {units, NULL, 0};
    for (int t = 0; t < lstm->steps; t++)
        for (int p = 0; p < units / LANES * 2; p++) {
            const float *start = lstm->laid + (int64_t)p * (1 + inputs + units) * PAIR;
            const float *weight = start + PAIR;
            hidden.length = units;
            if (t == 0 && lstm->hidden_step == 0) {
                /* One state for all: so is its product. */
                hidden.first = lstm->hidden;
                gates_of_group(1, none, hidden, weight + inputs * PAIR, start, same);
                hidden.length = 0;
                start = same;
            }
            for (int g = 0; g < groups; g++) {
                int from = count * g / groups, to = count * (g + 1) / groups, b = first + from;
                input.first = lstm->input + ((int64_t)t * lstm->batch + b) * inputs;
                hidden.step = t ? (int64_t)lstm->steps * units : lstm->hidden_step;
                hidden.first =
                    t ? lstm->output + ((int64_t)b * lstm->steps + t - 1) * units
                      : lstm->hidden + (int64_t)b * lstm->hidden_step;
                gates_of_group(
                    to - from, input, hidden, weight, start, gates[p % 2] + from * PAIR
                );
            }
            if (p % 2 == 0) continue;
            for (int b = first; b < end; b++) {
                const float *ig = gates[0] + (b - first) * PAIR, *fo = gates[1] + (b - first) * PAIR;
                int64_t image = b, u = p / 2 * LANES;
                float *cell = lstm->cell + image * units + u;
                vector c = sigmoid(load(fo)) * load(cell) + gated(load(ig), load(ig + LANES));
                store(cell, c);
                store(
                    lstm->output + (image * lstm->steps + t) * units + u, gated(load(fo + LANES), c)
                );
            }
        }
}

/* The hidden states output [B, T, U] for input [T, B, I], and the last cell in place of the first. */
void drawzoo_unroll(
    int threads, int batch, int steps, int inputs, int units, int hidden_step, const float *input,
    const float *hidden, const float *laid, float *cell, float *output
) {
    struct unrolled lstm = {batch, steps, inputs, units, hidden_step, input, hidden, laid, cell, output};
    int blocks = (batch + BLOCK - 1) / BLOCK;
    blocks = (blocks + threads - 1) / threads * threads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < blocks; i++)
        unroll_block(
            &lstm, (int)((int64_t)batch * i / blocks), (int)((int64_t)batch * (i + 1) / blocks)
        );
}
