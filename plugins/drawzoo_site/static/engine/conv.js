/** Convolutions of stride 2 and their transposes, as Models I to III have them. */
import { ACTIVATIONS, Linear, relu } from "./linear.js";

const kernelFor = (height, width) => (Math.min(height, width) >= 14 ? 5 : 3);
const halved = (side) => (side + 1) >> 1;

/** Strided convolutions, an activation after each; every one halves height and width, rounded up. */
export class ConvMaps {
  constructor(tensors, name, image, channels, activation) {
    this.activate = ACTIVATIONS[activation];
    let [inputs, height, width] = image;
    this.layers = channels.map((outputs, index) => {
      const kernel = kernelFor(height, width), layer = { inputs, outputs, height, width, kernel };
      layer.weight = tensors.take(`${name}.${2 * index}.weight`, [outputs, inputs, kernel, kernel]);
      layer.bias = tensors.take(`${name}.${2 * index}.bias`, [outputs]);
      [inputs, height, width] = [outputs, halved(height), halved(width)];
      return layer;
    });
    this.size = inputs * height * width;
  }

  apply(x) {
    return this.layers.reduce((maps, layer) => this.activate(convolve(maps, layer)), x);
  }
}

/** Every pair of an input and an output pixel that a tap of the kernel joins. */
function* taps({ height, width, kernel }) {
  const rows = halved(height), columns = halved(width), pad = kernel >> 1;
  for (let ky = 0; ky < kernel; ky++) {
    for (let kx = 0; kx < kernel; kx++) {
      for (let y = 0; y < rows; y++) {
        const iy = 2 * y + ky - pad;
        if (iy < 0 || iy >= height) continue;
        for (let x = 0; x < columns; x++) {
          const ix = 2 * x + kx - pad;
          if (ix >= 0 && ix < width) yield [ky * kernel + kx, iy * width + ix, y * columns + x];
        }
      }
    }
  }
}

function convolve(x, layer) {
  const { inputs, outputs, height, width, kernel, weight, bias } = layer;
  const large = height * width, small = halved(height) * halved(width), area = kernel * kernel;
  const y = new Float64Array(outputs * small).map((_, at) => bias[Math.floor(at / small)]);
  for (const [tap, from, to] of taps(layer)) {
    for (let i = 0; i < inputs; i++) {
      const value = x[i * large + from];
      if (value === 0) continue;
      for (let o = 0; o < outputs; o++) y[o * small + to] += weight[(o * inputs + i) * area + tap] * value;
    }
  }
  return y;
}

/** `ConvMaps`, then one dense layer with the same activation. */
export class ConvFeatures {
  constructor(tensors, name, image, { channels, features, activation }) {
    this.maps = new ConvMaps(tensors, name, image, channels, activation);
    this.dense = new Linear(tensors, `${name}.${2 * channels.length + 1}`, this.maps.size, features);
  }

  apply(x) {
    return this.maps.activate(this.dense.apply(this.maps.apply(x)));
  }
}

/** A dense layer, then transposed convolutions that double height and width. */
export class DeconvImage {
  constructor(tensors, name, features, channels, [last, ...image]) {
    const sizes = [image];
    for (const _ of channels) sizes.unshift(sizes[0].map(halved));
    const [height, width] = sizes[0];
    this.dense = new Linear(tensors, `${name}.0`, features, channels[0] * height * width);
    this.layers = channels.map((inputs, index) => {
      const outputs = channels[index + 1] ?? last, [height, width] = sizes[index + 1];
      const kernel = kernelFor(height, width), at = `${name}.${2 * index + 3}`;
      return { inputs, outputs, height, width, kernel,
               weight: tensors.take(`${at}.weight`, [inputs, outputs, kernel, kernel]),
               bias: tensors.take(`${at}.bias`, [outputs]) };
    });
  }

  apply(h) {
    const maps = relu(this.dense.apply(h)), last = this.layers.length - 1;
    return this.layers.reduce((x, layer, index) => {
      const y = transposed(x, layer);
      return index < last ? relu(y) : y;
    }, maps);
  }
}

function transposed(x, layer) {
  const { inputs, outputs, height, width, kernel, weight, bias } = layer;
  const large = height * width, small = halved(height) * halved(width), area = kernel * kernel;
  const y = new Float64Array(outputs * large).map((_, at) => bias[Math.floor(at / large)]);
  for (const [tap, to, from] of taps(layer)) {
    for (let i = 0; i < inputs; i++) {
      const value = x[i * small + from];
      for (let o = 0; o < outputs; o++) y[o * large + to] += weight[(i * outputs + o) * area + tap] * value;
    }
  }
  return y;
}
