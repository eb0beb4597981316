/* The pointwise half of an LSTM, in one pass over the memory, and its gradients; and all steps of a
 * whole LSTM whose inputs are known beforehand. */

#include <stddef.h>

#include "products.h"

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

/* All steps at once: a thread takes its images through all of them, where with a product of matrices
 * for each step all threads would wait for each other (after Diamos et al., 2016, Persistent RNNs).
 */

/* Images, at most, that a thread takes through a step before the next: they stay in its caches. */
#define BLOCK 60

/* From hidden [B, U], `hidden_step` from one to the next, to output [B, T, U]; in cell [B, U] the
 * first becomes the last. */
struct unrolled {
    int batch, steps, inputs, units, hidden_step;
    const float *input, *hidden, *laid, *bias;
    float *cell, *output;
};

/* Step t of eight units from u on, of the images from `first` to `end`, a BLOCK at most. */
static void unroll_some(const struct unrolled *lstm, int t, int u, int first, int end) {
    float gates[2][BLOCK * PAIR], same[PAIR];
    int inputs = lstm->inputs, units = lstm->units, count = end - first;
    int groups = (count + GROUP - 1) / GROUP;
    int64_t panel = (int64_t)(inputs + units) * LANES, step = (int64_t)lstm->steps * units;
    for (int half = 0; half < 2; half++) {
        /* The gates i and g, then f and o. */
        int one = half * units + u, two = (2 + half) * units + u;
        struct start start = {lstm->bias + one, lstm->bias + two};
        struct panels of_input = {
            lstm->laid + one / LANES * panel, lstm->laid + two / LANES * panel
        };
        struct panels of_hidden = {of_input.one + inputs * LANES, of_input.two + inputs * LANES};
        struct rows input = {inputs, NULL, inputs}, hidden = {units, NULL, step};
        if (t == 0) {
            hidden = (struct rows){units, lstm->hidden, lstm->hidden_step};
            if (lstm->hidden_step == 0) {
                /* One state for all: so is its product. */
                struct rows none = {0};
                multiply_group(1, none, of_input, hidden, of_hidden, start, same, PAIR);
                hidden.length = 0;
                start = (struct start){same, same + LANES};
            }
        }
        for (int g = 0; g < groups; g++) {
            int from = count * g / groups, to = count * (g + 1) / groups, b = first + from;
            input.first = lstm->input + ((int64_t)t * lstm->batch + b) * inputs;
            hidden.first =
                t ? lstm->output + b * step + (int64_t)(t - 1) * units
                  : lstm->hidden + (int64_t)b * lstm->hidden_step;
            float *out = gates[half] + from * PAIR;
            multiply_group(to - from, input, of_input, hidden, of_hidden, start, out, PAIR);
        }
    }
    for (int b = 0; b < count; b++) {
        const float *ig = gates[0] + b * PAIR, *fo = gates[1] + b * PAIR;
        float *cell = lstm->cell + (int64_t)(first + b) * units + u;
        vector c = sigmoid(load(fo)) * load(cell) + gated(load(ig), load(ig + LANES));
        store(cell, c);
        store(
            lstm->output + (first + b) * step + (int64_t)t * units + u, gated(load(fo + LANES), c)
        );
    }
}

/* The hidden states output [B, T, U] for input [T, B, I], with weights [4 U, I + U] laid out, and
 * the last cell in place of the first. */
void drawzoo_unroll(
    int threads, int batch, int steps, int inputs, int units, int hidden_step, const float *input,
    const float *hidden, const float *laid, const float *bias, float *cell, float *output
) {
    struct unrolled lstm = {
        batch, steps, inputs, units, hidden_step, input, hidden, laid, bias, cell, output
    };
    int blocks = (batch + BLOCK - 1) / BLOCK;
    blocks = (blocks + threads - 1) / threads * threads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < blocks; i++) {
        int first = (int)((int64_t)batch * i / blocks);
        int end = (int)((int64_t)batch * (i + 1) / blocks);
        for (int t = 0; t < steps; t++)
            for (int u = 0; u < units; u += LANES) unroll_some(&lstm, t, u, first, end);
    }
}
