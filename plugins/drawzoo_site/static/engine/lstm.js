/** The long short-term memory of decoder and encoders, with learned initial state. */
import { Linear, sigmoid } from "./linear.js";

export class LSTM {
  constructor(tensors, name, inputs, units) {
    this.units = units;
    this.gates = new Linear(tensors, `${name}.gates`, inputs + units, 4 * units);
    this.start = tensors.take(`${name}.initial`, [2, units]);
  }

  initial() {
    return { h: Float64Array.from(this.start.subarray(0, this.units)),
             c: Float64Array.from(this.start.subarray(this.units)) };
  }

  /** The next state; `drive` is added to the gates i, f, g, o. */
  step({ h, c }, inputs, drive = null) {
    const { units } = this, gates = this.gates.apply(...inputs, h);
    if (drive) for (let k = 0; k < gates.length; k++) gates[k] += drive[k];
    const next = { h: new Float64Array(units), c: new Float64Array(units) };
    for (let k = 0; k < units; k++) {
      const i = gates[k], f = gates[units + k], g = gates[2 * units + k], o = gates[3 * units + k];
      next.c[k] = sigmoid(f) * c[k] + sigmoid(i) * Math.tanh(g);
      next.h[k] = sigmoid(o) * Math.tanh(next.c[k]);
    }
    return next;
  }
}
