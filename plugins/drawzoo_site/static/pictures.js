/** Pixels, windows and bars on the screen. */
import { box } from "./engine/attention.js";

/** Of the frames, on canvases that are black whatever the page is. */
const FRAMES = { read: "#38bdf8", write: "#fb923c" };
/** Red, green and blue of them. */
export const COLOURS = Object.values(FRAMES).map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));

/** Gives a <canvas> the shape of an image, `side` pixels or a few more along its longer side. */
export function shape(canvas, [, height, width], side) {
  const scale = Math.ceil(side / Math.max(height, width));
  // To set them, even to what they are, clears the canvas.
  if (canvas.width !== scale * width) canvas.width = scale * width;
  if (canvas.height !== scale * height) canvas.height = scale * height;
}

/**
 * Values in [0, 1] of an image [C, H, W] over a whole <canvas>. Signed ones of a grey image are white
 * and orange, those of a coloured one its colours around grey.
 */
export function paint(canvas, values, [channels, height, width], signed = false) {
  const pixels = new ImageData(width, height), size = height * width;
  for (let at = 0; at < size; at++) {
    const coloured = channels === 3;
    const of = (channel) => (coloured && signed ? 127.5 + values[channel * size + at] * 127.5 : values[channel * size + at] * 255);
    const grey = of(0), missing = Math.max(grey, 0), excess = Math.max(-grey, 0);
    const colour = coloured ? [grey, of(1), of(2)]
      : signed ? [missing + excess * 0.95, missing * 0.8 + excess * 0.4, missing] : [grey, grey, grey];
    pixels.data.set([...colour, 255], 4 * at);
  }
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** Frames of windows over a picture of `width` pixels: earlier ones faint, the last one full. */
export function frame(canvas, windows, width, kind) {
  const context = canvas.getContext("2d"), scale = canvas.width / width;
  context.strokeStyle = FRAMES[kind];
  windows.forEach((window, at) => {
    const last = at === windows.length - 1;
    const [left, top, right, bottom] = box(window).map((side) => side * scale);
    context.globalAlpha = last ? 1 : 0.15 + 0.35 * (at / windows.length);
    context.lineWidth = (last ? 4 : 1.5) * canvas.width / 420;
    context.strokeRect(left, top, right - left, bottom - top);
  });
  context.globalAlpha = 1;
}

/** One bar for each value; those of steps gone by are full. */
export function bars(element, values, past) {
  const most = Math.max(...values, 1e-9);
  while (element.children.length > values.length) element.lastChild.remove();
  while (element.children.length < values.length) element.append(document.createElement("div"));
  values.forEach((value, at) => {
    const bar = element.children[at];
    bar.style.height = `${Math.max(100 * value / most, 1)}%`;
    bar.title = `step ${at + 1}: ${value.toFixed(2)} nats`;
    bar.className = at < past ? "past" : "";
  });
}

/** Between two windows, a share `at` of the way. */
export function between(one, two, at) {
  const mix = (key) => one[key] + (two[key] - one[key]) * at;
  return { gx: mix("gx"), gy: mix("gy"), stride: mix("stride"), variance: mix("variance"), size: two.size };
}
