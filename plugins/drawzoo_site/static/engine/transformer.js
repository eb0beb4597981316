/** An encoder that attends over the glimpses of the last steps. */
import { ModelError } from "./errors.js";
import { Linear } from "./linear.js";

const EPSILON = 1e-5;

class LayerNorm {
  constructor(tensors, name, features) {
    this.weight = tensors.take(`${name}.weight`, [features]);
    this.bias = tensors.take(`${name}.bias`, [features]);
  }

  apply(x) {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const scale = 1 / Math.sqrt(variance + EPSILON);
    return x.map((value, k) => (value - mean) * scale * this.weight[k] + this.bias[k]);
  }
}

export class TransformerEncoder {
  constructor(tensors, { units, heads, memory }, sizes) {
    if (units % heads) throw new ModelError(`config.json: ${heads} heads cannot share ${units} units`);
    Object.assign(this, { outputs: units, heads, memory });
    const linear = (name, ...sides) => new Linear(tensors, `encoder.${name}`, ...sides);
    const norm = (name) => new LayerNorm(tensors, `encoder.${name}_norm`, units);
    this.embed = linear("embed", sizes.glimpse + sizes.decoder, units);
    this.firstNorm = norm("first");
    this.secondNorm = norm("second");
    this.lastNorm = norm("last");
    this.ofToken = linear("of_token", units, 3 * units);
    this.age = tensors.take("encoder.age", [memory, heads]);
    this.mix = linear("mix", units, units);
    this.wide = linear("mlp.0", units, 2 * units);
    this.narrow = linear("mlp.2", 2 * units, units);
  }

  prepare() {
    return null;
  }

  initial() {
    return { past: [] };
  }

  step(glimpse, decoder, { past }) {
    const units = this.outputs, token = this.embed.apply(glimpse, decoder);
    const all = this.ofToken.apply(this.firstNorm.apply(token));
    const [query, key, value] = [0, 1, 2].map((part) => all.subarray(part * units, (part + 1) * units));
    past = [...past, { key, value }].slice(-this.memory);
    const y = add(token, this.mix.apply(this.#attend(query, past)));
    const more = this.narrow.apply(this.wide.apply(this.secondNorm.apply(y)).map(gelu));
    return { h: this.lastNorm.apply(add(y, more)), past };
  }

  /** Each head's mean of the values, by softmax of query · key / √d and of the age's bias. */
  #attend(query, past) {
    const { outputs: units, heads, memory } = this, features = units / heads;
    const attended = new Float64Array(units);
    for (let head = 0; head < heads; head++) {
      const from = head * features, to = from + features;
      const scores = past.map(({ key }, at) => {
        let product = 0;
        for (let k = from; k < to; k++) product += query[k] * key[k];
        return product / Math.sqrt(features) + this.age[(memory - past.length + at) * heads + head];
      });
      const best = Math.max(...scores), weights = scores.map((score) => Math.exp(score - best));
      const sum = weights.reduce((total, weight) => total + weight, 0);
      past.forEach(({ value }, at) => {
        for (let k = from; k < to; k++) attended[k] += weights[at] / sum * value[k];
      });
    }
    return attended;
  }
}

const add = (a, b) => a.map((value, k) => value + b[k]);

const gelu = (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));

/** To 2 · 10⁻⁷: Abramowitz and Stegun, 7.1.26. */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const tail = series.reduce((sum, term) => sum * t + term, 0) * t * Math.exp(-x * x);
  return Math.sign(x) * (1 - tail);
}
