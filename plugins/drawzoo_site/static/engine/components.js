/** The components that this engine knows, by kind and name, as drawzoo's plugins register them. */
import { CropNet, WindowNet, filterbank, read, triangles, write } from "./attention.js";
import { ConvFeatures, ConvMaps, DeconvImage } from "./conv.js";
import { GRU } from "./gru.js";
import { LogisticMixture, bernoulli, intensities, logistic } from "./likelihoods.js";
import { Linear, concatenate } from "./linear.js";
import { LSTM } from "./lstm.js";
import { TransformerEncoder } from "./transformer.js";

/** Through a window: x and the error image, or the latter alone. */
class AttentiveReader {
  constructor(tensors, { size }, sizes, errorAlone = false) {
    const [channels, height, width] = sizes.image;
    this.image = sizes.image;
    this.errorAlone = errorAlone;
    this.net = this.netOf(tensors, sizes.decoder, size, height, width);
    this.outputs = (errorAlone ? 1 : 2) * channels * size * size;
  }

  get bank() {
    return filterbank;
  }

  netOf(tensors, ...sides) {
    return new WindowNet(tensors, "reader.window", ...sides);
  }

  read(x, error, h) {
    const window = this.net.window(h);
    const images = this.errorAlone ? [error] : [x, error];
    return { glimpse: concatenate(images.map((image) => read(image, window, this.image, this.bank))), window };
  }
}

/** Bilinear samples of a crop. */
class SpatialTransformerReader extends AttentiveReader {
  get bank() {
    return triangles;
  }

  netOf(tensors, ...sides) {
    return new CropNet(tensors, "reader.localisation", ...sides);
  }
}

/** An LSTM of the glimpse, h_dec unless private, and a drive that is the same at every step. */
class LSTMEncoder {
  constructor(tensors, { units }, sizes, privy = true) {
    this.outputs = units;
    this.privy = privy;
    this.lstm = new LSTM(tensors, "encoder.lstm", sizes.glimpse + (privy ? sizes.decoder : 0), units);
  }

  prepare() {
    return null;
  }

  initial() {
    return this.lstm.initial();
  }

  step(glimpse, h, state, drive) {
    return this.lstm.step(state, this.privy ? [glimpse, h] : [glimpse], drive);
  }
}

class GatedEncoder {
  constructor(tensors, { units }, sizes) {
    this.outputs = units;
    this.gru = new GRU(tensors, "encoder.gru", sizes.glimpse + sizes.decoder, units);
  }

  prepare() {
    return null;
  }

  initial() {
    return this.gru.initial();
  }

  step(glimpse, h, state) {
    return this.gru.step(state, [glimpse, h]);
  }
}

class ConvEncoder extends LSTMEncoder {
  constructor(tensors, config, sizes) {
    super(tensors, config, sizes);
    this.cnn = new ConvFeatures(tensors, "encoder.cnn", sizes.image, config);
    this.drive = new Linear(tensors, "encoder.drive", config.features, 4 * config.units, { bias: false });
  }

  prepare(x) {
    return this.drive.apply(this.cnn.apply(x));
  }
}

class SupervisedEncoder extends LSTMEncoder {
  constructor(tensors, config, sizes) {
    super(tensors, config, sizes);
    this.maps = new ConvMaps(tensors, "encoder.maps", sizes.image, config.channels, config.activation);
    this.hidden = new Linear(tensors, "encoder.hidden", this.maps.size, config.features);
    this.logits = new Linear(tensors, "encoder.logits", config.features, config.classes);
    const inputs = this.maps.size + config.classes;
    this.drive = new Linear(tensors, "encoder.drive", inputs, 4 * config.units, { bias: false });
  }

  prepare(x) {
    const maps = this.maps.apply(x);
    const logits = this.logits.apply(this.maps.activate(this.hidden.apply(maps)));
    const best = Math.max(...logits), odds = logits.map((value) => Math.exp(value - best));
    const sum = odds.reduce((total, value) => total + value, 0);
    return this.drive.apply(maps, odds.map((value) => value / sum));
  }
}

class GaussianLatent {
  constructor(tensors, { size }, sizes) {
    this.size = size;
    this.layer = new Linear(tensors, "latent.layer", sizes.encoder, 2 * size);
  }

  posterior(h) {
    const both = this.layer.apply(h);
    return { mean: both.subarray(0, this.size), logStd: both.subarray(this.size) };
  }
}

class LSTMDecoder {
  constructor(tensors, { units }, sizes) {
    this.lstm = new LSTM(tensors, "decoder.lstm", sizes.latent, units);
  }

  initial() {
    return this.lstm.initial();
  }

  step(z, state) {
    return this.lstm.step(state, [z]);
  }
}

class GatedDecoder {
  constructor(tensors, { units }, sizes) {
    this.gru = new GRU(tensors, "decoder.gru", sizes.latent, units);
  }

  initial() {
    return this.gru.initial();
  }

  step(z, state) {
    return this.gru.step(state, [z]);
  }
}

class AttentiveWriter {
  constructor(tensors, { size }, sizes) {
    const [channels, height, width] = sizes.canvas;
    this.canvas = sizes.canvas;
    this.net = new WindowNet(tensors, "writer.window", sizes.decoder, size, height, width);
    this.patch = new Linear(tensors, "writer.patch", sizes.decoder, channels * size * size);
  }

  write(h) {
    const window = this.net.window(h);
    return { patch: write(this.patch.apply(h), window, this.canvas), window };
  }
}

/** A writer of the whole canvas by `layer`. */
const whole = (layer) => ({ write: (h) => ({ patch: layer.apply(h), window: null }) });

const product = (sides) => sides.reduce((size, side) => size * side, 1);

const SIZE = { size: 5 }, UNITS = { units: 256 };

/** Kind → name → [settings unless given, how to make one of tensors, settings and sizes]. */
export const COMPONENTS = {
  reader: {
    attention: [SIZE, (...all) => new AttentiveReader(...all)],
    "attention-error": [SIZE, (...all) => new AttentiveReader(...all, true)],
    stn: [SIZE, (...all) => new SpatialTransformerReader(...all)],
    whole: [{}, (tensors, config, sizes) => ({
      outputs: 2 * product(sizes.image),
      read: (x, error) => ({ glimpse: concatenate([x, error]), window: null }),
    })],
    none: [{}, () => ({ outputs: 0, read: () => ({ glimpse: [], window: null }) })],
  },
  encoder: {
    lstm: [UNITS, (...all) => new LSTMEncoder(...all)],
    "lstm-private": [UNITS, (...all) => new LSTMEncoder(...all, false)],
    gated: [UNITS, (...all) => new GatedEncoder(...all)],
    transformer: [{ ...UNITS, heads: 4, memory: 10 }, (...all) => new TransformerEncoder(...all)],
    conv: [
      { ...UNITS, channels: [32, 64, 64], features: 256, activation: "relu" },
      (...all) => new ConvEncoder(...all),
    ],
    supervised: [
      { ...UNITS, channels: [16, 64, 64], features: 128, classes: 10, weight: 2, activation: "relu" },
      (...all) => new SupervisedEncoder(...all),
    ],
  },
  latent: { gaussian: [{ size: 32 }, (...all) => new GaussianLatent(...all)] },
  decoder: {
    lstm: [UNITS, (...all) => new LSTMDecoder(...all)],
    gated: [UNITS, (...all) => new GatedDecoder(...all)],
  },
  writer: {
    attention: [SIZE, (...all) => new AttentiveWriter(...all)],
    whole: [{}, (tensors, config, { decoder, canvas }) =>
      whole(new Linear(tensors, "writer.canvas", decoder, product(canvas)))],
    deconv: [{ channels: [32, 16] }, (tensors, { channels }, { decoder, canvas }) =>
      whole(new DeconvImage(tensors, "writer.deconv", decoder, channels, canvas))],
  },
  likelihood: {
    bernoulli: [{}, (tensors, config, { image }) => bernoulli(image)],
    intensities: [{}, (tensors, config, { image }) => intensities(image)],
    logistic: [{}, (tensors, config, { image }) => logistic(image)],
    "logistic-mixture": [{ components: 3 }, (...all) => new LogisticMixture(...all)],
  },
};
