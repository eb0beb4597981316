/** Pixels, windows and bars on the screen. */
import { box } from "./engine/attention.js";

/** Of the frames, on canvases that are black whatever the page is. */
const COLOURS = { read: "#38bdf8", write: "#fb923c" };

/** Values in [0, 1] of an image [C, H, W], or a signed one in colours, over a whole <canvas>. */
export function paint(canvas, values, [channels, height, width], signed = false) {
  const pixels = new ImageData(width, height), size = height * width;
  for (let at = 0; at < size; at++) {
    const of = (channel) => values[channel * size + at] * 255;
    const grey = of(0), missing = Math.max(grey, 0), excess = Math.max(-grey, 0);
    const colour = signed ? [missing + excess * 0.95, missing * 0.8 + excess * 0.4, missing]
      : channels === 3 ? [grey, of(1), of(2)] : [grey, grey, grey];
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
  context.strokeStyle = COLOURS[kind];
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

/**
 * An animation of frames of 126 greys, as bytes: GIF89a. Every pixel is a code of its own, one byte,
 * and the table of codes is cleared before it would need longer ones.
 */
export function gif(frames, width, height, hundredths) {
  const word = (value) => [value & 255, value >> 8];
  const palette = Array.from({ length: 128 }, (_, grey) => Array(3).fill(Math.min(Math.round(grey * 255 / 125), 255))).flat();
  const bytes = [..."GIF89a"].map((letter) => letter.charCodeAt(0));
  bytes.push(...word(width), ...word(height), 0xf6, 0, 0, ...palette);
  bytes.push(0x21, 0xff, 11, ..."NETSCAPE2.0".split("").map((c) => c.charCodeAt(0)), 3, 1, 0, 0, 0);
  frames.forEach((frame, number) => {
    const delay = number === frames.length - 1 ? 150 : hundredths;
    bytes.push(0x21, 0xf9, 4, 0, ...word(delay), 0, 0, 0x2c, 0, 0, 0, 0, ...word(width), ...word(height), 0, 7);
    const codes = [];
    frame.forEach((value, at) => {
      if (at % 120 === 0) codes.push(128);
      codes.push(Math.round(Math.min(Math.max(value, 0), 1) * 125));
    });
    codes.push(129);
    for (let at = 0; at < codes.length; at += 255) {
      const block = codes.slice(at, at + 255);
      bytes.push(block.length, ...block);
    }
    bytes.push(0);
  });
  bytes.push(0x3b);
  return new Uint8Array(bytes);
}
