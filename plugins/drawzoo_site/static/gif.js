/** Animations as bytes: GIF89a, of 256 colours that all frames share. */

/** The colour `share` of the way from one to another. */
const mix = (one, two, share) => one.map((value, channel) => Math.round(value + (two[channel] - value) * share));
const greys = (count) => Array.from({ length: count }, (_, at) => Array(3).fill(Math.round(at * 255 / (count - 1))));

/**
 * 256 colours: 32 for lines of the two that are given, over dark and over light; greys; and of
 * `colours`, if there are any, 208 that stand for all.
 */
export function palette(lines, colours) {
  const tints = lines.flatMap((line) => Array.from({ length: 16 }, (_, at) => (at < 8
    ? mix([0, 0, 0], line, (at + 1) / 8) : mix(line, [255, 255, 255], (at - 7) / 9))));
  return [...tints, ...(colours.length ? [...greys(16), ...medians(colours, 208)] : greys(224))];
}

/** Median cut (Heckbert, 1982): the box of the widest channel is halved until there are enough. */
function medians(colours, count) {
  const box = (inside) => {
    const widths = [0, 1, 2].map((channel) => {
      const values = inside.map((colour) => colour[channel]);
      return values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
    });
    const width = Math.max(...widths);
    return { inside, width, channel: widths.indexOf(width) };
  };
  const boxes = [box(colours)];
  while (boxes.length < count) {
    const widest = boxes.reduce((a, b) => (b.width > a.width ? b : a)), { inside, channel } = widest;
    inside.sort((a, b) => a[channel] - b[channel]);
    const half = Math.ceil(inside.length / 2);
    // A box of one colour is halved in vain, and does no harm.
    boxes.splice(boxes.indexOf(widest), 1, box(inside.slice(0, half)), box(inside.length > 1 ? inside.slice(half) : inside));
  }
  return boxes.map(({ inside }) => [0, 1, 2].map((channel) =>
    Math.round(inside.reduce((sum, colour) => sum + colour[channel], 0) / inside.length)));
}

const word = (value) => [value & 255, value >> 8];

export class Gif {
  constructor(width, height, colours) {
    Object.assign(this, { width, height, colours, known: new Map() });
    const letters = (text) => [...text].map((letter) => letter.charCodeAt(0));
    this.bytes = [...letters("GIF89a"), ...word(width), ...word(height), 0xf7, 0, 0, ...colours.flat()];
    this.bytes.push(0x21, 0xff, 11, ...letters("NETSCAPE2.0"), 3, 1, 0, 0, 0);
  }

  /** A frame of RGBA bytes. */
  add(rgba, hundredths) {
    this.bytes.push(0x21, 0xf9, 4, 0, ...word(hundredths), 0, 0, 0x2c, 0, 0, 0, 0, ...word(this.width), ...word(this.height), 0, 8);
    const codes = compress(this.indices(rgba));
    for (let at = 0; at < codes.length; at += 255) {
      const block = codes.slice(at, at + 255);
      this.bytes.push(block.length, ...block);
    }
    this.bytes.push(0);
  }

  /** The number of the nearest colour, for each pixel. */
  indices(rgba) {
    const indices = new Uint8Array(rgba.length / 4);
    let last = -1, index = 0;
    for (let at = 0; at < indices.length; at++) {
      const [red, green, blue] = [rgba[4 * at], rgba[4 * at + 1], rgba[4 * at + 2]], colour = red << 16 | green << 8 | blue;
      if (colour !== last) {
        last = colour;
        index = this.known.get(colour) ?? this.nearest(red, green, blue);
        this.known.set(colour, index);
      }
      indices[at] = index;
    }
    return indices;
  }

  nearest(red, green, blue) {
    const far = this.colours.map(([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2);
    return far.indexOf(Math.min(...far));
  }

  end() {
    return new Uint8Array([...this.bytes, 0x3b]);
  }
}

/** LZW of bytes: codes of 9 bits and more; the table is cleared when they would need 13. */
function compress(values) {
  const CLEAR = 256, END = 257, table = new Uint16Array(4096 * 256), codes = [];
  let size = 9, next = END + 1, kept = 0, bits = 0;
  const emit = (code) => {
    kept |= code << bits;
    bits += size;
    for (; bits >= 8; bits -= 8, kept >>>= 8) codes.push(kept & 255);
  };
  emit(CLEAR);
  let prefix = values[0];
  for (let at = 1; at < values.length; at++) {
    const longer = prefix << 8 | values[at];
    if (table[longer]) {
      prefix = table[longer];
      continue;
    }
    emit(prefix);
    if (next === 4096) {
      emit(CLEAR);
      table.fill(0);
      [size, next] = [9, END + 1];
    } else {
      // The reader is one entry behind, so that codes grow before the first one that needs it.
      if (next >= 1 << size) size++;
      table[longer] = next++;
    }
    prefix = values[at];
  }
  emit(prefix);
  emit(END);
  if (bits) codes.push(kept & 255);
  return codes;
}
