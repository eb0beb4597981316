/** The page: what is chosen, what is drawn, and how it is shown. Text of models is never markup. */
import * as address from "./address.js";
import { film } from "./film.js";
import { Pad } from "./pad.js";
import { Panel, lent, line, mixed, model } from "./panel.js";
import { paint, shape } from "./pictures.js";

const $ = (id) => document.getElementById(id);
/** Milliseconds of a step, and of a drawing at most. */
const PACE = 420, WHOLE = 5000;
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

let entries = [], state = null, panels = [], position = 0, playing = false, before = 0, next = 0;
const length = () => Math.max(...panels.map((panel) => panel.steps?.length ?? panel.model?.steps ?? 1));
const pace = () => Math.min(PACE, WHOLE / length());
/** The step whose code is drawn anew: the one shown, or at the end the one before. */
const renewed = () => (state.anew && position >= length() ? state.anew[0] : Math.max(Math.floor(position), 1));
const lead = () => panels.find((panel) => panel.steps);

function show() {
  for (const panel of panels) panel.show(position);
  const total = length(), t = Math.floor(position);
  $("scrub").max = total;
  $("scrub").value = t;
  $("scrub").setAttribute("aria-valuetext", `step ${t} of ${total}`);
  $("step").textContent = `${t} of ${total}`;
  $("play").textContent = playing ? "❚❚" : "▶\ufe0e";
  $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  $("anew").disabled = t < 1 || !lead();
  $("anew").textContent = `Step ${renewed()}’s code ${renewed() === state.anew?.[0] ? "once more" : "anew"}`;
  if ($("equations").open) numbers(t);
}

const describe = (window) => (window
  ? `g = (${window.gx.toFixed(1)}, ${window.gy.toFixed(1)}), δ = ${window.stride.toFixed(2)}, σ = ${Math.sqrt(window.variance).toFixed(2)}, γ = ${window.intensity.toFixed(2)}`
  : "the whole image");

function numbers(t) {
  const own = state.mode === "own", steps = lead()?.steps, step = steps?.[Math.min(t, steps.length) - 1];
  for (const row of document.querySelectorAll("[data-own]")) row.hidden = !own;
  for (const row of document.querySelectorAll("[data-sample]")) row.hidden = own;
  const set = (id, text) => { $(id).textContent = step ? text(step) : "–"; };
  set("eq-z", ({ z }) => Math.hypot(...z).toFixed(2));
  set("eq-write", ({ write }) => describe(write));
  if (!own) return;
  if (mixed(state)) {
    for (const id of ["eq-error", "eq-read", "eq-kl", "eq-bound"]) $(id).textContent = "–";
    return;
  }
  set("eq-error", ({ error }) => (error.reduce((sum, value) => sum + Math.abs(value), 0) / error.length).toFixed(4));
  set("eq-read", ({ read }) => describe(read));
  set("eq-kl", ({ kl }) => kl.toFixed(2));
  set("eq-bound", ({ bound, reconstruction }) => (bound === undefined ? "no bound" : `${reconstruction.toFixed(2)} + ${(bound - reconstruction).toFixed(2)} = ${bound.toFixed(2)} nats`));
}

function tick(now) {
  if (!playing) return;
  // A frame's time may be that of its start, before the click that began to play.
  position = Math.min(position + Math.min(Math.max(now - before, 0), 100) / pace(), length());
  before = now;
  if (position >= length()) {
    playing = false;
    said();
  }
  show();
  next = requestAnimationFrame(tick);
}

function play(from = position >= length() ? 0 : position) {
  position = from;
  playing = true;
  before = performance.now();
  cancelAnimationFrame(next);
  next = requestAnimationFrame(tick);
}

function go(t) {
  playing = false;
  position = Math.min(Math.max(t, 0), length());
  show();
  said();
  remember();
}

/** A line for who does not see it. */
function said() {
  const t = Math.floor(position), parts = panels.filter(({ steps }) => steps).map(({ name, steps }) => {
    const at = Math.min(t, steps.length), step = steps[at - 1];
    return step?.bound === undefined ? `${name}: step ${at}` : `${name}: step ${at}, ${step.bound.toFixed(1)} nats so far`;
  });
  if (state.mode === "sample" && state.anew) parts.push(`the code of step ${state.anew[0]} drawn anew`);
  $("said").textContent = state.mode === "own" && !state.x ? "Draw a digit, or take an example." : parts.join("; ");
}

const here = () => address.text(state, playing || position >= length() ? null : Math.floor(position));

let kept = 0;
/** Keeps the state in the address; soon, as browsers refuse more than a few changes a second. */
function remember() {
  $("code").textContent = python();
  kept ||= setTimeout(() => {
    kept = 0;
    history.replaceState(null, "", here());
  }, 400);
}

function python() {
  const { mode, model: name, other, seed, index, temperature } = state;
  const by = temperature === 1 ? `${seed}` : `${seed}, ${temperature}`;
  const prior = (first) => `model.prior(1, generator=drawzoo.Counter(${by}, first=${first}))`;
  const [t = 0] = state.anew ?? [];
  return [name, other].filter(Boolean).map((one) => {
    const drawer = panels.find((panel) => panel.name === one), pick = drawer?.model?.image[0] === 1 ? ", 0" : "";
    const load = entries.find((entry) => entry.name === one).load;
    if (mixed(state)) return "# What lies between two drawings has no command.";
    if (mode === "own") {
      if (drawer?.model?.likelihood.isBound === false) return `# drawzoo reconstruct takes no ${one}: its likelihood has no bound.`;
      return `# with the image that "Save image" gives\ndrawzoo reconstruct ${load} digit.png --transform none --rng counter --seed ${seed}`;
    }
    const isAnew = t && t <= (drawer?.steps?.length ?? 0);
    return `import drawzoo\nmodel = drawzoo.load("${load}")\n${isAnew
      ? `z = ${prior(index)}\nz[${t - 1}] = ${prior(lent(state))}[${t - 1}]\nimage = model.decode(z).images[-1, 0${pick}]`
      : `image = model.sample(${index + 1}, generator=drawzoo.Counter(${by}))[${index}${pick}]`}`;
  }).join("\n\n");
}

/** Draws everything anew; `at` is the step to show, or null to play. */
async function draw(at = null) {
  const asked = state;
  $("own").hidden = state.mode !== "own";
  $("warmth").hidden = $("many").hidden = $("anew").hidden = state.mode === "own";
  $("grid").hidden = state.mode === "own" || $("many").getAttribute("aria-expanded") === "false";
  $("mode-own").setAttribute("aria-pressed", state.mode === "own");
  $("mode-sample").setAttribute("aria-pressed", state.mode === "sample");
  Object.assign($("seed"), { value: state.seed });
  Object.assign($("temperature"), { value: state.temperature });
  Object.assign($("model"), { value: state.model });
  Object.assign($("other"), { value: state.other });
  $("keep").disabled = !state.x;
  $("between").hidden = !(state.x && state.y);
  Object.assign($("mix"), { value: state.mix });
  $("degrees").textContent = state.temperature;
  const names = [state.model, state.other].filter(Boolean);
  if (names.join() !== panels.map((panel) => panel.name).join()) {
    $("panels").replaceChildren();
    panels = names.map((name) => new Panel(name, () => state));
  }
  $("panels").classList.toggle("two", names.length > 1);
  await Promise.all(panels.map((panel) => panel.draw()));
  if (state !== asked) return;
  pad.take(given());
  if (at !== null || still || !lead()) go(at ?? length());
  else play(0);
  remember();
  if (!$("grid").hidden && state.mode === "sample") sixteen();
}

function change(changes, at = null) {
  state = { ...state, ...changes };
  return draw(at);
}

/** Sixteen finished drawings of this seed, one after another. */
async function sixteen() {
  const asked = state, cells = $("grid").children;
  let drawer;
  try {
    drawer = await model(state.model);
  } catch {
    return;
  }
  for (let index = 0; index < 16 && state === asked; index++) {
    const { seed, temperature } = state;
    try {
      shape(cells[index].firstChild, drawer.image, 84);
      paint(cells[index].firstChild, drawer.sample({ seed, index, temperature }).at(-1).image, drawer.image);
    } catch {
      return;
    }
    cells[index].setAttribute("aria-pressed", index === state.index);
    await new Promise((next) => setTimeout(next));
  }
}

function save(bytes, type, name) {
  const link = document.createElement("a"), url = URL.createObjectURL(new Blob([bytes], { type }));
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The image that is drawn again, its own pixels on a <canvas>; null if there is none. */
function given() {
  const panel = lead();
  if (!panel || !state.x) return null;
  const canvas = document.createElement("canvas"), { image } = panel.model;
  [, canvas.height, canvas.width] = image;
  paint(canvas, panel.fitted(state.x), image);
  return canvas;
}

function saveImage() {
  given()?.toBlob((blob) => save(blob, "image/png", "digit.png"));
}

async function saveGif() {
  const shown = panels.filter((panel) => panel.steps), button = $("gif"), label = button.textContent, asked = state;
  if (!shown.length) return;
  button.disabled = true;
  const bytes = await film(shown, length(), Math.round(pace() / 10), () => state === asked, (t) => {
    button.textContent = `${t} of ${length()}`;
  });
  Object.assign(button, { disabled: false, textContent: label });
  if (bytes) save(bytes, "image/gif", "drawing.gif");
}

async function copy(text, button) {
  const label = button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy it from the address bar";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

const freshSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;

let waiting = false;
const pad = new Pad($("pad"), (done) => {
  const look = () => {
    waiting = false;
    const [, height, width] = lead()?.model?.image ?? panels[0].model?.image ?? [1, 28, 28];
    const x = pad.image(height, width);
    if (x) change({ x, mix: 0 }, done ? null : length());
  };
  if (done) look();
  else if (!waiting) {
    waiting = true;
    setTimeout(() => waiting && look(), 80);
  }
});

async function example() {
  try {
    const drawer = await model(state.model), seed = freshSeed();
    pad.clear();
    await change({ mix: 0, x: drawer.likelihood.observed(drawer.sample({ seed }).at(-1).image) });
  } catch (error) {
    panels[0].say(line(error));
  }
}

function listen() {
  const on = (id, event, action) => $(id).addEventListener(event, action);
  on("mode-sample", "click", () => change({ mode: "sample" }));
  on("mode-own", "click", () => change({ mode: "own" }));
  on("again", "click", () => change({ seed: freshSeed(), anew: null }));
  on("seed", "change", () => {
    const seed = Number($("seed").value);
    if (Number.isSafeInteger(seed) && seed >= 0) change({ seed, anew: null });
    else $("seed").value = state.seed;
  });
  on("temperature", "input", () => change({ temperature: Number($("temperature").value) }, length()));
  on("model", "change", () => change({ model: $("model").value }));
  on("other", "change", () => change({ other: $("other").value }));
  on("anew", "click", () => {
    const t = renewed(), [last, count] = state.anew ?? [0, 0];
    change({ anew: [t, last === t ? count + 1 : 1] }, length());
  });
  on("many", "click", () => {
    const shown = $("grid").hidden;
    $("grid").hidden = !shown;
    $("many").setAttribute("aria-expanded", `${shown}`);
    if (shown) sixteen();
  });
  on("clear", "click", () => {
    pad.clear();
    change({ x: null }, 0);
  });
  on("keep", "click", () => change({ y: state.x, mix: 0 }, length()));
  on("mix", "input", () => change({ mix: Number($("mix").value) }, length()));
  on("example", "click", example);
  on("save-image", "click", saveImage);
  on("play", "click", () => (playing ? go(Math.floor(position)) : play()));
  on("back", "click", () => go(Math.ceil(position) - 1));
  on("forth", "click", () => go(Math.floor(position) + 1));
  on("scrub", "input", () => go(Number($("scrub").value)));
  on("equations", "toggle", show);
  on("gif", "click", saveGif);
  on("link", "click", () => copy(new URL(here(), location.href).href, $("link")));
  on("copy-code", "click", () => copy($("code").textContent, $("copy-code")));
  addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, button, summary, a") || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { " ": () => $("play").click(), ArrowLeft: () => $("back").click(), ArrowRight: () => $("forth").click(),
                   a: () => $("again").click() };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  addEventListener("hashchange", () => {
    const given = address.read(location.hash, entries.map((entry) => entry.name));
    state = { ...given, seed: given.seed ?? freshSeed() };
    pad.clear();
    draw(given.t);
  });
}

async function start() {
  for (let index = 0; index < 16; index++) {
    const button = document.createElement("button"), canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 84, height: 84 });
    button.setAttribute("aria-label", `Drawing ${index + 1} of 16`);
    button.append(canvas);
    button.addEventListener("click", () => change({ index, anew: null }));
    $("grid").append(button);
  }
  try {
    const list = await (await fetch("models.json")).json();
    entries = list.models.filter(({ name, load }) => /^[a-z0-9][a-z0-9_-]*$/.test(name) && typeof load === "string");
  } catch {
    entries = [];
  }
  if (!entries.length) {
    $("said").textContent = location.protocol === "file:"
      ? "A browser lets a page read models only over http; in this folder run: python -m http.server"
      : "models.json names no model; write this folder again with: drawzoo site --out DIR";
    return;
  }
  for (const { name, bytes } of entries) {
    for (const id of ["model", "other"]) {
      $(id).add(new Option(`${name} (${(bytes / 1e6).toFixed(1)} MB)`, name));
    }
  }
  const given = address.read(location.hash, entries.map((entry) => entry.name));
  state = { ...given, seed: given.seed ?? freshSeed() };
  listen();
  await draw(given.t);
}

start();
