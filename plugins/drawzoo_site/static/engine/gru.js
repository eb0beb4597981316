/** The gated recurrent unit, with learned initial state. */
import { Linear, sigmoid } from "./linear.js";

export class GRU {
  constructor(tensors, name, inputs, units) {
    this.units = units;
    this.drive = new Linear(tensors, `${name}.drive`, inputs, 3 * units);
    this.recurrent = new Linear(tensors, `${name}.recurrent`, units, 3 * units);
    this.start = tensors.take(`${name}.initial`, [units]);
  }

  initial() {
    return { h: Float64Array.from(this.start) };
  }

  /** The next state. */
  step({ h }, inputs) {
    const { units } = this, drive = this.drive.apply(...inputs), own = this.recurrent.apply(h);
    return { h: h.map((value, k) => {
      const r = sigmoid(drive[k] + own[k]), u = sigmoid(drive[units + k] + own[units + k]);
      const n = Math.tanh(drive[2 * units + k] + r * own[2 * units + k]);
      return u * value + (1 - u) * n;
    }) };
  }
}
