/** The panel of one model: what it draws of the page's state, and what is wrong with it. */
import { Draw, spherical } from "./engine/draw.js";
import { ModelError } from "./engine/errors.js";
import { bars, between, frame, paint, shape } from "./pictures.js";

const models = new Map();

/** A model by its name on the page, fetched when first asked for. */
export function model(name) {
  if (!models.has(name)) {
    const get = async (file) => {
      const answer = await fetch(`models/${name}/${file}`);
      if (!answer.ok) throw new ModelError(`${name}: ${file} is not there (${answer.status})`);
      return answer;
    };
    const fetched = (async () => {
      const [config, weights] = await Promise.all([get("config.json"), get("model.safetensors")]);
      return new Draw(await config.text(), await weights.arrayBuffer());
    })();
    models.set(name, fetched);
    // What failed is tried again when it is next asked for.
    fetched.catch(() => models.delete(name));
  }
  return models.get(name);
}

/** Images from this one on lend the codes that are drawn anew. */
const LENT = 1000;
export const lent = (state) => LENT * state.anew[1] + state.index;

/** Whether what is drawn lies between two drawings, so that there is no image to compare it with. */
export const mixed = (state) => state.mode === "own" && state.mix > 0 && state.x && state.y;

export const line = (error) => (error instanceof ModelError ? error.message
  : new ModelError(`the model cannot be read (${error.message}); get it again`).message);

/** One model's pictures: what it drew, or what is wrong with it. */
export class Panel {
  /** Of the model `name`; `current` gives the state of the page. */
  constructor(name, current) {
    Object.assign(this, { name, current, encoded: new WeakMap() });
    this.element = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.element.querySelector(selector);
    this.find("h2").textContent = name;
    document.getElementById("panels").append(this.element);
  }

  async draw() {
    this.steps = null;
    try {
      this.model = await model(this.name);
      const state = this.current();
      const { seed, index, temperature, mode } = state;
      if (mode === "sample") {
        const anew = state.anew && { t: state.anew[0], index: lent(state) };
        this.steps = this.model.sample({ seed, index, temperature, anew });
      } else if (state.x) {
        this.steps = this.encode(state.x, seed);
        if (mixed(state)) {
          const kept = this.encode(state.y, seed);
          this.steps = this.model.decode(this.steps.map(({ z }, t) => spherical(z, kept[t].z, state.mix)));
        }
      }
      this.say(null);
    } catch (error) {
      this.say(line(error));
    }
  }

  /** An image of the page's as the model takes it: a grey one is the same in each channel. */
  fitted(pixels) {
    const [channels, height, width] = this.model.image, size = height * width;
    // An address holds whole fours of pixels.
    const isOf = (count) => Math.ceil(pixels.length / 4) === Math.ceil(count / 4);
    if (isOf(channels * size)) return pixels.subarray(0, channels * size);
    if (isOf(size)) return Float64Array.from({ length: channels * size }, (_, at) => pixels[at % size]);
    throw new ModelError(`the drawing has not the shape of this model's images, [${this.model.image}]; draw another`);
  }

  /** The steps of an image of the page's, computed once: on the way to another, both stay. */
  encode(pixels, seed) {
    let kept = this.encoded.get(pixels);
    if (kept?.seed !== seed) {
      kept = { seed, steps: this.model.encode(this.fitted(pixels), { seed }) };
      this.encoded.set(pixels, kept);
    }
    return kept.steps;
  }

  say(problem) {
    this.find(".problem").hidden = problem === null;
    this.find(".problem").textContent = problem ?? "";
    this.find(".pictures").hidden = problem !== null;
  }

  /** Black pictures and no figures, where there is nothing to measure. */
  unmeasured(...pictures) {
    for (const picture of pictures) {
      paint(picture, new Float64Array(this.model.image.reduce((a, b) => a * b)), this.model.image);
      picture.setAttribute("aria-label", "Nothing");
    }
    bars(this.find(".bars"), Array(this.model.steps).fill(0), 0);
    this.find(".bars").setAttribute("aria-label", "No KL");
    this.find(".bound").textContent = "–";
    this.find(".unit").textContent = "nats, the bound so far";
  }

  /** The bound after `done` steps, and what it is told in. */
  measure(done) {
    const { likelihood, initialCanvas, image } = this.model;
    if (!likelihood.isBound) return ["–", "no bound: this likelihood is no density of images"];
    const nats = done ? this.steps[done - 1].bound : likelihood.nats(initialCanvas, this.fitted(this.current().x));
    const bits = nats / (image.reduce((a, b) => a * b) * Math.LN2);
    return [nats.toFixed(2), likelihood.bitsPerDimension
      ? `nats, ${bits.toFixed(3)} bits per dimension, the bound so far` : "nats, the bound so far"];
  }

  /** Steps that are done, the share of the next one, and the image between. */
  at(moment) {
    const { steps, model } = this, at = Math.min(moment, steps.length), done = Math.floor(at), part = at - done;
    const from = done ? steps[done - 1].image : model.likelihood.mean(model.initialCanvas);
    const to = part ? steps[done].image : from;
    return { done, part, image: part ? from.map((value, k) => value + (to[k] - value) * part) : from };
  }

  /** The windows of the steps that are done, and the one that is on its way. */
  path(kind, { done, part }) {
    const { steps } = this, windows = steps.slice(0, done).map((step) => step[kind]).filter(Boolean);
    const next = part ? steps[done][kind] : null;
    if (next) windows.push(done ? between(steps[done - 1][kind], next, part) : next);
    return windows;
  }

  /** Paints the canvas, or what is seen, at a moment between 0 and T. */
  paint(kind, picture, moment) {
    const state = this.current(), { image } = this.model, at = this.at(moment);
    if (kind === "canvas") {
      paint(picture, at.image, image);
      frame(picture, this.path("write", at), image[2], "write");
    } else if (mixed(state)) {
      const [x, y] = [this.fitted(state.x), this.fitted(state.y)];
      paint(picture, x.map((value, k) => value + (y[k] - value) * state.mix), image);
    } else {
      paint(picture, this.fitted(state.x), image);
      frame(picture, this.path("read", at), image[2], "read");
    }
  }

  /** The pictures that an animation has. */
  filmed() {
    return this.current().mode === "own" ? ["seen", "canvas"] : ["canvas"];
  }

  /** The images in the pictures. */
  images() {
    const { mode, x, y } = this.current(), seen = mode === "own" ? [x, y].filter(Boolean) : [];
    return [...this.steps.map((step) => step.image), ...seen.map((pixels) => this.fitted(pixels))];
  }

  /** A step in words, below the name. */
  told(t) {
    const done = Math.min(t, this.steps.length), { bound } = this.steps[done - 1];
    return `step ${done} of ${this.steps.length}${bound === undefined ? "" : `, ${bound.toFixed(1)} nats so far`}`;
  }

  /** The picture at a moment between 0 and T. */
  show(moment) {
    const state = this.current(), own = state.mode === "own", { steps, model } = this;
    // There before anything is drawn, so that nothing moves under the hand that draws.
    this.find(".small").hidden = this.find(".measures").hidden = !own;
    if (!model || this.find(".pictures").hidden) return;
    const [canvas, seen, error] = ["canvas", "seen", "error"].map((name) => this.find(`.${name}`));
    shape(canvas, model.image, 420);
    for (const picture of [seen, error]) shape(picture, model.image, 196);
    if (!steps) {
      paint(canvas, model.likelihood.mean(model.initialCanvas), model.image);
      canvas.setAttribute("aria-label", "An empty canvas: nothing is drawn yet");
      this.unmeasured(seen, error);
      return;
    }
    const { done, image } = this.at(moment), label = `${this.name}, step ${done} of ${steps.length}`;
    this.paint("canvas", canvas, moment);
    canvas.setAttribute("aria-label", `The canvas of ${label}`);
    if (!own) return;
    this.paint("seen", seen, moment);
    if (mixed(state)) {
      seen.setAttribute("aria-label", "The two drawings over each other");
      this.unmeasured(error);
      return;
    }
    seen.setAttribute("aria-label", `What ${label} sees, with the window it reads through`);
    const x = this.fitted(state.x), missing = image.map((value, k) => x[k] - value);
    paint(error, missing, model.image, true);
    error.setAttribute("aria-label", `The error image of ${label}: ${model.image[0] === 3
      ? "grey where nothing is missing" : "what is missing light, what is too much orange"}`);
    const kls = steps.map((step) => step.kl);
    bars(this.find(".bars"), kls, done);
    this.find(".bars").setAttribute("aria-label", `KL of each step in nats: ${kls.map((kl) => kl.toFixed(1)).join(", ")}`);
    [this.find(".bound").textContent, this.find(".unit").textContent] = this.measure(done);
  }
}
