/** Selective attention: an N × N grid of Gaussian filters on the image. Equations of the paper. */
import { Linear, sigmoid } from "./linear.js";

const LIMIT = 15;

/** h_dec → a window, eq. 21–24; in pixels numbered from 1. */
export class WindowNet extends Linear {
  constructor(tensors, name, features, size, height, width) {
    super(tensors, name, features, 5);
    Object.assign(this, { size, height, width });
  }

  window(h) {
    const [x, y, ...logarithms] = this.apply(h);
    const [variance, stride, intensity] = logarithms.map(
      (value) => Math.exp(Math.min(Math.max(value, -LIMIT), LIMIT)));
    const { size, height, width } = this;
    const span = (Math.max(height, width) - 1) / Math.max(size - 1, 1);
    return { gx: (width + 1) / 2 * (x + 1), gy: (height + 1) / 2 * (y + 1),
             stride: span * stride, variance, intensity, size };
  }
}

/** h_dec → the window of a spatial transformer: a scale and two shifts, and triangles for filters. */
export class CropNet extends Linear {
  constructor(tensors, name, features, size, height, width) {
    super(tensors, name, features, 3);
    Object.assign(this, { size, height, width });
  }

  window(h) {
    const [scale, x, y] = this.apply(h), { size, height, width } = this;
    return { gx: (width + 1) / 2 + width / 2 * Math.tanh(x), gy: (height + 1) / 2 + height / 2 * Math.tanh(y),
             stride: Math.max(height, width) / size * 2 * sigmoid(scale), variance: 1 / 6, intensity: 1, size };
  }
}

/** Left, top, right and bottom of the grid and one σ beyond, in pixels from 0. */
export function box({ gx, gy, stride, variance, size }) {
  const half = (size - 1) / 2 * stride + Math.sqrt(variance), x = gx - 0.5, y = gy - 0.5;
  return [x - half, y - half, x + half, y + half];
}

/** N filters along one axis, [N × length], eq. 19, 20, 25 and 26; each row sums to 1. */
export function filterbank(centre, stride, variance, size, length) {
  const bank = new Float64Array(size * length), scale = 0.5 / Math.max(variance, 1e-8);
  for (let i = 0; i < size; i++) {
    const mu = centre + (i + 1 - size / 2 - 0.5) * stride;
    const row = bank.subarray(i * length, (i + 1) * length);
    let best = -Infinity, sum = 0;
    for (let a = 0; a < length; a++) {
      row[a] = -scale * (a + 1 - mu) ** 2;
      best = Math.max(best, row[a]);
    }
    for (let a = 0; a < length; a++) sum += row[a] = Math.exp(row[a] - best);
    for (let a = 0; a < length; a++) row[a] /= sum;
  }
  return bank;
}

/** N bilinear filters along one axis, [N × length]: triangles two pixels wide. */
export function triangles(centre, stride, variance, size, length) {
  return Float64Array.from({ length: size * length }, (_, at) => {
    const point = centre + (Math.floor(at / length) + 1 - size / 2 - 0.5) * stride;
    return Math.max(0, 1 - Math.abs(at % length + 1 - point));
  });
}

function banks({ gx, gy, stride, variance, size }, height, width, bank = filterbank) {
  return [bank(gy, stride, variance, size, height), bank(gx, stride, variance, size, width)];
}

/** γ F_Y x F_Xᵀ of each channel, eq. 27: [C, H, W] → [C, N, N]. */
export function read(image, window, [channels, height, width], bank = filterbank) {
  const { size, intensity } = window, [fy, fx] = banks(window, height, width, bank);
  const patch = new Float64Array(channels * size * size), row = new Float64Array(width);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < size; i++) {
      row.fill(0);
      for (let b = 0; b < height; b++) {
        for (let a = 0; a < width; a++) row[a] += fy[i * height + b] * image[(c * height + b) * width + a];
      }
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let a = 0; a < width; a++) sum += row[a] * fx[j * width + a];
        patch[(c * size + i) * size + j] = intensity * sum;
      }
    }
  }
  return patch;
}

/** F_Yᵀ w F_X / γ of each channel, eq. 29: [C, N, N] → [C, H, W]. */
export function write(patch, window, [channels, height, width]) {
  const { size, intensity } = window, [fy, fx] = banks(window, height, width);
  const canvas = new Float64Array(channels * height * width), row = new Float64Array(width);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < size; i++) {
      row.fill(0);
      for (let j = 0; j < size; j++) {
        const value = patch[(c * size + i) * size + j] / intensity;
        for (let a = 0; a < width; a++) row[a] += value * fx[j * width + a];
      }
      for (let b = 0; b < height; b++) {
        for (let a = 0; a < width; a++) canvas[(c * height + b) * width + a] += fy[i * height + b] * row[a];
      }
    }
  }
  return canvas;
}
