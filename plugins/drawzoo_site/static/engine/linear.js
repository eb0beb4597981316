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
    const y = new Float64Array(this.outputs), { weight, inputs } = this;
    for (let row = 0, at = 0; row < y.length; row++, at += inputs) {
      let sum = this.bias[row];
      for (let column = 0; column < inputs; column++) sum += weight[at + column] * x[column];
      y[row] = sum;
    }
    return y;
  }
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
