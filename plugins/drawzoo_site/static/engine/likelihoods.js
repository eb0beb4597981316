/**
 * How a canvas is a distribution of images. Each likelihood has the shape of its `canvas`, the
 * `mean` image, `nats` of an image, and `observed`: an image whose pixels it is a distribution of,
 * near one that it drew; `isBound` and `bitsPerDimension` are as in Python.
 */
import { sigmoid } from "./linear.js";

/** log(1 + eˣ). */
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** −log of Bernoulli pixels; of intensities, a cross-entropy. */
function crossEntropy(logits, x) {
  let sum = 0;
  for (let at = 0; at < logits.length; at++) sum += softplus(logits[at]) - logits[at] * x[at];
  return sum;
}

const levels = (image) => image.map((value) => Math.round(255 * value) / 255);

export const bernoulli = (image) => ({
  canvas: image,
  isBound: true,
  bitsPerDimension: false,
  mean: (canvas) => canvas.map(sigmoid),
  nats: crossEntropy,
  observed: (mean) => mean.map((value) => (value >= 0.5 ? 1 : 0)),
});

export const intensities = (image) => ({ ...bernoulli(image), isBound: false, observed: levels });

const SLOPE = 0.25, MIDDLE = -2.5, RANGE = 4.5;

/** log s of an unbounded number. */
const bounded = (raw) => MIDDLE + RANGE * Math.tanh(raw / RANGE);

/** log of the probability of level x, in [0, 1], of 256: a logistic between the level's edges. */
function logProbability(x, mean, logScale) {
  const precision = Math.exp(-logScale), level = Math.round(255 * x);
  const below = -softplus((mean - (level + 0.5) / 255) * precision);
  const above = -softplus(((level - 0.5) / 255 - mean) * precision);
  if (level < 1) return below;
  return level > 254 ? above : below + above + Math.log(-Math.expm1(-precision / 255));
}

/** The expected value of a logistic that is kept within [0, 1]. */
function expectation(mean, logScale) {
  const scale = Math.exp(logScale);
  const inside = scale * (softplus(mean / scale) - softplus((mean - 1) / scale));
  return Math.min(Math.max(inside, 0), 1);
}

/** One logistic for each pixel and channel: channels of μ, then as many of log s. */
export function logistic([channels, height, width]) {
  const size = channels * height * width;
  return {
    canvas: [2 * channels, height, width],
    isBound: true,
    bitsPerDimension: true,
    mean: (canvas) => canvas.slice(0, size).map((mean, k) => expectation(0.5 + SLOPE * mean, bounded(canvas[size + k]))),
    nats: (canvas, x) => {
      let sum = 0;
      for (let k = 0; k < size; k++) sum -= logProbability(x[k], 0.5 + SLOPE * canvas[k], bounded(canvas[size + k]));
      return sum;
    },
    observed: levels,
  };
}

/** log(Σ exp) of `count` values, from `first` on and `stride` apart. */
function logSum(values, first, stride, count) {
  let best = -Infinity, sum = 0;
  for (let k = 0; k < count; k++) best = Math.max(best, values[first + k * stride]);
  for (let k = 0; k < count; k++) sum += Math.exp(values[first + k * stride] - best);
  return best + Math.log(sum);
}

/**
 * A mixture of K for each pixel: K logits, then for each component C channels of μ, then of log s.
 * A channel's μ follows what is seen of the channels before, by weights [K, C, C].
 */
export class LogisticMixture {
  constructor(tensors, { components }, { image: [channels, height, width] }) {
    Object.assign(this, { components, channels, pixels: height * width });
    Object.assign(this, { isBound: true, bitsPerDimension: true, observed: levels });
    this.canvas = [components * (1 + 2 * channels), height, width];
    this.follow = tensors.take("likelihood.follow", [components, channels, channels]);
  }

  mean(canvas) {
    const { components, channels, pixels } = this, mean = new Float64Array(channels * pixels);
    const scales = components * channels * pixels, first = components * pixels;
    for (let p = 0; p < pixels; p++) {
      const all = logSum(canvas, p, pixels, components);
      for (let k = 0; k < components; k++) {
        const weight = Math.exp(canvas[k * pixels + p] - all);
        for (let c = 0; c < channels; c++) {
          const at = first + (k * channels + c) * pixels + p;
          mean[c * pixels + p] += weight * expectation(0.5 + SLOPE * canvas[at], bounded(canvas[at + scales]));
        }
      }
    }
    return mean;
  }

  nats(canvas, x) {
    const { components, channels, pixels, follow } = this;
    const scales = components * channels * pixels, first = components * pixels;
    const surprise = new Float64Array(channels), joint = new Float64Array(components);
    let sum = 0;
    for (let p = 0; p < pixels; p++) {
      for (let k = 0; k < components; k++) {
        joint[k] = canvas[k * pixels + p];
        for (let c = 0; c < channels; c++) {
          const at = first + (k * channels + c) * pixels + p, value = x[c * pixels + p];
          const mean = 0.5 + SLOPE * canvas[at], logScale = bounded(canvas[at + scales]);
          let shift = 0;
          for (let d = 0; d < c; d++) shift += follow[(k * channels + c) * channels + d] * surprise[d];
          joint[k] += logProbability(value, mean + shift, logScale);
          // Nothing follows the last channel.
          if (c + 1 < channels) surprise[c] = value - expectation(mean, logScale);
        }
      }
      sum += logSum(canvas, p, pixels, components) - logSum(joint, 0, 1, components);
    }
    return sum;
  }
}
