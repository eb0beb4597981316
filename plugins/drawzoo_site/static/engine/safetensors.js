/** Tensors of a `model.safetensors`, as float32, whichever of F32, F16 and BF16 they are. */
import { ModelError } from "./errors.js";

const MAX_HEADER = 1 << 20;
const BYTES = { F32: 4, F16: 2, BF16: 2 };

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves = null;

/** Numbers are little-endian in the file, and in whatever runs a browser. */
function values(buffer, start, count, type) {
  const bytes = buffer.slice(start, start + count * BYTES[type]);
  if (type === "F32") return new Float32Array(bytes);
  const words = new Uint16Array(bytes), data = new Float32Array(count), bits = new Uint32Array(data.buffer);
  halves ??= Float32Array.from({ length: 65536 }, (_, word) => half(word));
  for (let i = 0; i < count; i++) {
    if (type === "F16") data[i] = halves[words[i]];
    else bits[i] = words[i] << 16;
  }
  return data;
}

const natural = (value) => Number.isSafeInteger(value) && value >= 0;

/** Name → {shape, data}; a ModelError for whatever is not a whole, finite safetensors file. */
export function parse(buffer) {
  const damaged = (why) => new ModelError(`model.safetensors is damaged (${why}); get it again`);
  if (buffer.byteLength < 8) throw damaged("it is too short");
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  if (size > MAX_HEADER) throw damaged(`a header of ${size} bytes is too long`);
  const start = 8 + size;
  if (start > buffer.byteLength) throw damaged("the header is longer than the file");
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, size)));
  } catch {
    throw damaged("its header is no JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw damaged("its header is no object");
  }
  const tensors = new Map();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    if (!Object.hasOwn(BYTES, dtype)) throw damaged(`${name.slice(0, 60)} is of a type other than F32, F16 and BF16`);
    if (!Array.isArray(shape) || shape.length > 8 || !shape.every(natural)) throw damaged(`${name.slice(0, 60)} has no shape`);
    const count = shape.reduce((product, side) => product * side, 1);
    const [first, after] = Array.isArray(offsets) ? offsets : [];
    if (!natural(first) || !natural(after) || after - first !== count * BYTES[dtype]
        || start + after > buffer.byteLength) {
      throw damaged(`${name.slice(0, 60)} does not lie in the file`);
    }
    const data = values(buffer, start + first, count, dtype);
    if (!data.every(Number.isFinite)) throw damaged(`${name.slice(0, 60)} holds values that are not finite`);
    tensors.set(name, { shape, data });
  }
  return tensors;
}
