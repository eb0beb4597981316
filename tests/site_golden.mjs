// Runs the page's engine on requests of JSON, one a line of standard input, and answers likewise.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const engine = pathToFileURL(`${process.argv[2]}/`).href;
const { Draw, spherical } = await import(`${engine}draw.js`);
const { normal, philox } = await import(`${engine}random.js`);

const { Gif, palette } = await import(new URL("../gif.js", engine));

const plain = (steps) => steps.map((step) => ({
  ...step, z: [...step.z], canvas: [...step.canvas], image: [...step.image],
  error: step.error && [...step.error], x: undefined,
  bound: step.bound, reconstruction: step.x && step.reconstruction,
}));

function load({ config, weights }) {
  const bytes = readFileSync(weights);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return new Draw(readFileSync(config, "utf8"), buffer);
}

/** Milliseconds of encoding and of the same products, one addition after another, by turns. */
function speed(request) {
  const model = load(request), { image, steps } = model, x = new Float64Array(image.reduce((a, b) => a * b));
  const layers = [model.encoder.lstm.gates, model.decoder.lstm.gates];
  const plainly = ({ weight, inputs, outputs }, given) => {
    const y = new Float64Array(outputs);
    for (let row = 0; row < outputs; row++) {
      for (let column = 0; column < inputs; column++) y[row] += weight[row * inputs + column] * given[column];
    }
  };
  const given = layers.map(({ inputs }) => new Float64Array(inputs).fill(0.1));
  const products = () => {
    for (let t = 0; t < steps; t++) layers.forEach((layer, at) => plainly(layer, given[at]));
  };
  const times = [() => model.encode(x, { seed: 0 }), products].map((work) => ({ work, least: Infinity }));
  for (let turn = 0; turn < 12; turn++) {
    for (const time of times) {
      const start = performance.now();
      time.work();
      time.least = Math.min(time.least, performance.now() - start);
    }
  }
  return times.map(({ least }) => least);
}

const answers = {
  speed,
  philox: ({ counter, key }) => philox(counter, key),
  normal: ({ seed, image, step, size, temperature }) => [...normal(seed, image, step, size, temperature)],
  spherical: ({ start, end, share }) => spherical(start, end, share),
  gif: ({ width, height, lines, colours, frames }) => {
    const chosen = palette(lines, colours), gif = new Gif(width, height, chosen);
    for (const frame of frames) gif.add(Uint8ClampedArray.from(frame), 7);
    return { palette: chosen, bytes: [...gif.end()] };
  },
  sample: (request) => plain(load(request).sample(request)),
  encode: (request) => plain(load(request).encode(Float64Array.from(request.x), request)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { value: answers[request.do](request) };
  } catch (error) {
    answer = { error: error.message, kind: error.name };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
