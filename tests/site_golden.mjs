// Runs the page's engine on requests of JSON, one a line of standard input, and answers likewise.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const engine = pathToFileURL(`${process.argv[2]}/`).href;
const { Draw, spherical } = await import(`${engine}draw.js`);
const { normal, philox } = await import(`${engine}random.js`);

const plain = (steps) => steps.map((step) => ({
  ...step, z: [...step.z], canvas: [...step.canvas], image: [...step.image],
  error: step.error && [...step.error],
}));

function load({ config, weights }) {
  const bytes = readFileSync(weights);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return new Draw(readFileSync(config, "utf8"), buffer);
}

const answers = {
  philox: ({ counter, key }) => philox(counter, key),
  normal: ({ seed, image, step, size, temperature }) => [...normal(seed, image, step, size, temperature)],
  spherical: ({ start, end, share }) => spherical(start, end, share),
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
