/** The panel of one model: what it draws of the page's state, and what is wrong with it. */
import { Draw, spherical } from "./engine/draw.js";
import { ModelError } from "./engine/errors.js";
import { bars, between, frame, paint } from "./pictures.js";

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
export const mixed = (state) => state.mode === "own" && state.mix > 0 && state.x && state.y?.length === state.x.length;

export const line = (error) => (error instanceof ModelError ? error.message
  : new ModelError(`the model cannot be read (${error.message}); get it again`).message);

/** One model's pictures: what it drew, or what is wrong with it. */
export class Panel {
  /** Of the model `name`; `current` gives the state of the page. */
  constructor(name, current) {
    Object.assign(this, { name, current });
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
      const { seed, index, temperature, mode } = state, size = this.model.image.reduce((a, b) => a * b);
      if (mode === "sample") {
        const anew = state.anew && { t: state.anew[0], index: lent(state) };
        this.steps = this.model.sample({ seed, index, temperature, anew });
      } else if (state.x && Math.ceil(state.x.length / 4) !== Math.ceil(size / 4)) {
        throw new ModelError("the drawing has not the size of the model's images; draw another");
      } else if (state.x) {
        const encode = (pixels) => this.model.encode(pixels.subarray(0, size), { seed });
        this.steps = encode(state.x);
        if (mixed(state)) {
          const kept = encode(state.y);
          this.steps = this.model.decode(this.steps.map(({ z }, t) => spherical(z, kept[t].z, state.mix)));
        }
      }
      this.say(null);
    } catch (error) {
      this.say(line(error));
    }
  }

  say(problem) {
    this.find(".problem").hidden = problem === null;
    this.find(".problem").textContent = problem ?? "";
    this.find(".pictures").hidden = problem !== null;
  }

  /** Black pictures and no figures, where there is nothing to measure. */
  unmeasured(...pictures) {
    for (const picture of pictures) {
      paint(picture, this.model.initialCanvas.map(() => 0), this.model.image);
      picture.setAttribute("aria-label", "Nothing");
    }
    bars(this.find(".bars"), Array(this.model.steps).fill(0), 0);
    this.find(".bars").setAttribute("aria-label", "No KL");
    this.find(".bound").textContent = "–";
  }

  /** The picture at a moment between 0 and T. */
  show(moment) {
    const state = this.current(), own = state.mode === "own", { steps, model } = this;
    // There before anything is drawn, so that nothing moves under the hand that draws.
    this.find(".small").hidden = this.find(".measures").hidden = !own;
    if (!model || this.find(".pictures").hidden) return;
    const [canvas, seen, error] = ["canvas", "seen", "error"].map((name) => this.find(`.${name}`));
    const empty = model.likelihood.mean(model.initialCanvas), width = model.image[2];
    if (!steps) {
      paint(canvas, empty, model.image);
      canvas.setAttribute("aria-label", "An empty canvas: nothing is drawn yet");
      this.unmeasured(seen, error);
      return;
    }
    const at = Math.min(moment, steps.length), done = Math.floor(at), part = at - done;
    const from = done ? steps[done - 1].image : empty, to = part ? steps[done].image : from;
    paint(canvas, from.map((value, k) => value + (to[k] - value) * part), model.image);
    const path = (kind) => {
      const windows = steps.slice(0, done).map((step) => step[kind]).filter(Boolean);
      const next = part ? steps[done][kind] : null;
      if (next) windows.push(done ? between(steps[done - 1][kind], next, part) : next);
      return windows;
    };
    frame(canvas, path("write"), width, "write");
    const label = `${this.name}, step ${done} of ${steps.length}`;
    canvas.setAttribute("aria-label", `The canvas of ${label}`);
    if (!own) return;
    if (mixed(state)) {
      paint(seen, state.x.map((value, k) => value + (state.y[k] - value) * state.mix), model.image);
      seen.setAttribute("aria-label", "The two drawings over each other");
      this.unmeasured(error);
      return;
    }
    paint(seen, state.x, model.image);
    frame(seen, path("read"), width, "read");
    seen.setAttribute("aria-label", `What ${label} sees, with the window it reads through`);
    const missing = from.map((value, k) => state.x[k] - value);
    paint(error, missing, model.image, true);
    error.setAttribute("aria-label", `The error image of ${label}: what is missing light, what is too much orange`);
    const kls = steps.map((step) => step.kl);
    bars(this.find(".bars"), kls, done);
    this.find(".bars").setAttribute("aria-label", `KL of each step in nats: ${kls.map((kl) => kl.toFixed(1)).join(", ")}`);
    this.find(".bound").textContent = (done ? steps[done - 1].bound : model.likelihood.nats(model.initialCanvas, state.x)).toFixed(2);
  }
}
