/** DRAW: drawings from the prior, from codes, and of images; one at a time, every step kept. */
import { COMPONENTS } from "./components.js";
import { ModelError } from "./errors.js";
import { ACTIVATIONS } from "./linear.js";
import { normal } from "./random.js";
import { parse } from "./safetensors.js";

const KINDS = ["reader", "encoder", "latent", "decoder", "writer", "likelihood"];
const MAX_SIDE = 512;

/** Tensors by name, each taken once, and of the shape that the configuration says. */
class Tensors {
  constructor(tensors) {
    this.left = new Map(tensors);
  }

  take(name, shape) {
    const tensor = this.left.get(name);
    if (!tensor) throw new ModelError(`the weights do not fit config.json: they lack ${name}`);
    if (tensor.shape.join() !== shape.join()) {
      throw new ModelError(`the weights do not fit config.json: ${name} is [${tensor.shape}], expected [${shape}]`);
    }
    this.left.delete(name);
    return tensor.data;
  }
}

const isSize = (value) => Number.isInteger(value) && value >= 1 && value <= 65536;
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The settings of a component and its maker; a ModelError if this engine does not know it. */
function component(config, kind) {
  const part = config[kind];
  if (!isObject(part)) throw new ModelError(`config.json names no ${kind}`);
  const { name, plugin, config: given = {} } = part, known = COMPONENTS[kind];
  if (typeof name !== "string" || typeof plugin !== "string") throw new ModelError(`config.json: the ${kind} has no name or plugin`);
  if (!Object.hasOwn(known, name) || plugin !== "drawzoo") {
    throw new ModelError(`this page does not know the ${kind} ${plugin}:${name}; it knows ${Object.keys(known).join(", ")} of drawzoo`);
  }
  const [defaults, make] = known[name];
  if (!isObject(given)) throw new ModelError(`the settings of the ${kind} are no object`);
  for (const [key, value] of Object.entries(given)) {
    const like = Object.hasOwn(defaults, key) ? defaults[key] : undefined;
    const good = Array.isArray(like)
      ? Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(isSize)
      : key === "activation" ? like !== undefined && typeof value === "string" && Object.hasOwn(ACTIVATIONS, value)
      : like !== undefined && (isSize(value) || (key === "weight" && Number.isFinite(value)));
    if (!good) throw new ModelError(`config.json: the ${kind}'s ${key} cannot be ${JSON.stringify(value)}`);
  }
  return [{ ...defaults, ...given }, make];
}

export class Draw {
  /** From the text of config.json and the bytes of model.safetensors. */
  constructor(text, buffer) {
    let config;
    try {
      config = JSON.parse(text);
    } catch {
      throw new ModelError("config.json is no JSON; get it again");
    }
    if (!isObject(config) || config.format !== 2) throw new ModelError("config.json is not of format 2");
    const { image, steps } = config;
    if (!Array.isArray(image) || image.length !== 3 || !image.every((side) => isSize(side) && side <= MAX_SIDE)) {
      throw new ModelError("config.json: image is not [C, H, W]");
    }
    if (!isSize(steps) || steps > 4096) throw new ModelError("config.json: steps is no number from 1 to 4096");
    const parts = Object.fromEntries(KINDS.map((kind) => [kind, component(config, kind)]));
    const tensors = new Tensors(parse(buffer));
    const sizes = { image, latent: parts.latent[0].size, decoder: parts.decoder[0].units };
    const make = (kind) => parts[kind][1](tensors, parts[kind][0], sizes);
    this.likelihood = make("likelihood");
    sizes.canvas = this.likelihood.canvas;
    this.reader = make("reader");
    sizes.glimpse = this.reader.outputs;
    this.encoder = make("encoder");
    sizes.encoder = this.encoder.outputs;
    for (const kind of ["latent", "decoder", "writer"]) this[kind] = make(kind);
    this.initialCanvas = Float64Array.from(tensors.take("initial_canvas", sizes.canvas));
    const [extra] = tensors.left.keys();
    if (extra !== undefined) throw new ModelError(`the weights do not fit config.json: ${extra} is not expected`);
    Object.assign(this, { config, image, steps });
  }

  /** The noise of one image, that of `drawzoo.Counter(seed, temperature)`. */
  noise({ seed, index = 0, steps = this.steps, temperature = 1 }) {
    return Array.from({ length: steps }, (_, t) => normal(seed, index, t, this.latent.size, temperature));
  }

  /**
   * A drawing from the prior: eq. 13 to 16. With `anew`, {t, index}, the code of step t, from 1, is
   * that of the image of that index.
   */
  sample({ anew = null, ...options }) {
    const codes = this.noise(options);
    if (anew && anew.t <= codes.length) codes[anew.t - 1] = this.noise({ ...options, index: anew.index })[anew.t - 1];
    return this.decode(codes);
  }

  /** The drawing that codes stand for: a Step for each. */
  decode(codes) {
    let canvas = this.initialCanvas, state = this.decoder.initial();
    const steps = codes.map((z) => {
      state = this.decoder.step(z, state);
      const { patch, window } = this.writer.write(state.h);
      canvas = add(canvas, patch);
      return new Step(this.likelihood, { z, canvas, write: window, read: null });
    });
    return checked(steps);
  }

  /** An image drawn again, eq. 3 to 12: a Step for each, with errors, KL and bounds. */
  encode(x, options) {
    const drive = this.encoder.prepare(x);
    let canvas = this.initialCanvas, decoder = this.decoder.initial(), encoder = this.encoder.initial();
    let image = this.likelihood.mean(canvas), total = 0;
    const steps = this.noise(options).map((noise) => {
      const error = image.map((value, at) => x[at] - value);
      const { glimpse, window: read } = this.reader.read(x, error, decoder.h);
      encoder = this.encoder.step(glimpse, decoder.h, encoder, drive);
      const { mean: mu, logStd } = this.latent.posterior(encoder.h);
      const z = mu.map((value, k) => value + Math.exp(logStd[k]) * noise[k]);
      const kl = 0.5 * mu.reduce((sum, m, k) => sum + m * m + Math.exp(2 * logStd[k]) - 2 * logStd[k] - 1, 0);
      decoder = this.decoder.step(z, decoder);
      const { patch, window: write } = this.writer.write(decoder.h);
      canvas = add(canvas, patch);
      total += kl;
      const step = new Step(this.likelihood, { z, canvas, error, read, write, kl, total, x });
      image = step.image;
      return step;
    });
    return checked(steps);
  }
}

/** One step of a drawing. What only a step that is shown needs is computed when it is asked for. */
class Step {
  #likelihood;
  #image = null;
  #nats = null;

  constructor(likelihood, parts) {
    this.#likelihood = likelihood;
    Object.assign(this, parts);
  }

  /** The expected image. */
  get image() {
    return (this.#image ??= this.#likelihood.mean(this.canvas));
  }

  /** −log p(x | canvas) of the image that is drawn again. */
  get reconstruction() {
    return (this.#nats ??= this.#likelihood.nats(this.canvas, this.x));
  }

  /** The bound so far, in nats; undefined of a drawing of nothing, and where there is none. */
  get bound() {
    return this.x && this.#likelihood.isBound ? this.reconstruction + this.total : undefined;
  }
}

const add = (a, b) => a.map((value, at) => value + b[at]);

const norm = (vector) => Math.hypot(...vector);

/**
 * The code a share of the way from one to another on the great circle, its length geometrically
 * between theirs; on the straight line where there is no circle.
 */
export function spherical(start, end, share) {
  const [a, b] = [norm(start), norm(end)];
  const cosine = start.reduce((sum, value, k) => sum + value * end[k], 0) / (a * b);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1)), sine = Math.sin(angle);
  if (!(sine > 1e-4)) return start.map((value, k) => value + (end[k] - value) * share);
  const length = a ** (1 - share) * b ** share / sine;
  const [one, two] = [Math.sin((1 - share) * angle) / a, Math.sin(share * angle) / b];
  return start.map((value, k) => length * (one * value + two * end[k]));
}

/** The steps, if all that is shown of them is finite. */
function checked(steps) {
  for (const { canvas, read, write, kl = 0 } of steps) {
    const windows = [read, write].flatMap((window) => (window ? Object.values(window) : []));
    if (![kl, ...windows].every(Number.isFinite) || !canvas.every(Number.isFinite)) throw damaged();
  }
  if (!Number.isFinite(steps.at(-1).bound ?? 0)) throw damaged();
  return steps;
}

const damaged = () =>
  new ModelError("the model computes values that are not finite: its weights are damaged or too large");
