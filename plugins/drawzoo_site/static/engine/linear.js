/** Matrix products of one image: weights [rows, columns] row by row, vectors in float64. */

export class Linear {
  /** The layer `name` of `tensors`, a Tensors; without a bias if it is to have none. */
  constructor(tensors, name, inputs, outputs, { bias = true } = {}) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.weight = tensors.take(`${name}.weight`, [outputs, inputs]);
    this.bias = bias ? tensors.take(`${name}.bias`, [outputs]) : new Float32Array(outputs);
  }

  /** W x + b of the inputs, joined. */
  apply(...parts) {
    const x = parts.length === 1 ? parts[0] : concatenate(parts);
    return multiply(this.weight, this.bias, x, this.inputs, this.outputs);
  }
}

/**
 * W x + b. Eight rows at a time: a sum waits for its last addition, and eight do not wait for each
 * other; each number of x is read once for the eight.
 */
function multiply(w, bias, x, columns, rows) {
  const y = new Float64Array(rows);
  let row = 0, at = 0;
  for (; row + 8 <= rows; row += 8, at += 7 * columns) {
    let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
    for (let column = 0; column < columns; column++, at++) {
      const value = x[column];
      a += w[at] * value;
      b += w[at + columns] * value;
      c += w[at + 2 * columns] * value;
      d += w[at + 3 * columns] * value;
      e += w[at + 4 * columns] * value;
      f += w[at + 5 * columns] * value;
      g += w[at + 6 * columns] * value;
      h += w[at + 7 * columns] * value;
    }
    y[row] = a, y[row + 1] = b, y[row + 2] = c, y[row + 3] = d;
    y[row + 4] = e, y[row + 5] = f, y[row + 6] = g, y[row + 7] = h;
  }
  for (; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) y[row] += w[at] * x[column];
  }
  for (row = 0; row < rows; row++) y[row] += bias[row];
  return y;
}

export function concatenate(parts) {
  const joined = new Float64Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));
export const relu = (x) => x.map((value) => Math.max(value, 0));
const silu = (x) => x.map((value) => value * sigmoid(value));
/** By their names in a configuration. */
export const ACTIVATIONS = { relu, silu };
