/** The state of the page in its address, so that a link is a drawing. */

const MAX_SEED = Number.MAX_SAFE_INTEGER;

/** Binary pixels as hexadecimal digits, four a digit; others as bytes in the letters of base64url. */
function pack(pixels) {
  if (!pixels.every((value) => value === 0 || value === 1)) {
    const bytes = Array.from(pixels, (value) => String.fromCharCode(Math.round(255 * value))).join("");
    return `~${btoa(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "")}`;
  }
  return Array.from({ length: Math.ceil(pixels.length / 4) }, (_, at) =>
    [0, 1, 2, 3].reduce((digit, bit) => digit * 2 + (pixels[4 * at + bit] ?? 0), 0).toString(16)).join("");
}

/** The pixels of such a text; null for any other. */
function unpack(text) {
  if (/^[0-9a-f]{1,262144}$/.test(text)) {
    return Float64Array.from([...text].flatMap((digit) => {
      const value = parseInt(digit, 16);
      return [8, 4, 2, 1].map((bit) => (value & bit ? 1 : 0));
    }));
  }
  if (!/^~(?:[\w-]{4}){1,262144}[\w-]{0,3}$/.test(text) || text.length % 4 === 2) return null;
  const bytes = atob(text.slice(1).replace(/-/g, "+").replace(/_/g, "/"));
  return Float64Array.from(bytes, (letter) => letter.charCodeAt(0) / 255);
}

/** Step and number of "3.1": the third step's code for the first time anew. */
const pair = (text) => (/^[1-9]\d{0,3}\.[1-9]\d{0,5}$/.test(text) ? text.split(".").map(Number) : null);

const whole = (text, most, otherwise) => {
  const value = Number(text);
  return text !== null && text !== "" && Number.isInteger(value) && value >= 0 && value <= most ? value : otherwise;
};

export function read(hash, names) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const name = (key, otherwise) => (names.includes(given.get(key)) ? given.get(key) : otherwise);
  const warmth = Number(given.get("temperature") ?? 1), mix = Number(given.get("mix") ?? 0);
  const drawn = (key) => unpack(given.get(key) ?? "");
  return {
    mode: given.get("mode") === "own" ? "own" : "sample",
    model: name("model", names[0]),
    other: name("other", ""),
    seed: whole(given.get("seed"), MAX_SEED, null),
    index: whole(given.get("index"), 15, 0),
    temperature: warmth >= 0 && warmth <= 1.5 ? warmth : 1,
    anew: pair(given.get("anew") ?? ""),
    t: whole(given.get("t"), 4096, null),
    x: drawn("x"),
    y: drawn("y"),
    mix: mix >= 0 && mix <= 1 ? mix : 0,
  };
}

export function text({ mode, model, other, seed, index, temperature, anew, x, y, mix }, t) {
  const parts = new URLSearchParams({ mode, model, seed });
  if (other) parts.set("other", other);
  if (mode === "sample" && index) parts.set("index", index);
  if (mode === "sample" && temperature !== 1) parts.set("temperature", temperature);
  if (mode === "sample" && anew) parts.set("anew", anew.join("."));
  if (mode === "own" && x) parts.set("x", pack(x));
  if (mode === "own" && y) parts.set("y", pack(y));
  if (mode === "own" && y && mix) parts.set("mix", mix);
  if (t !== null) parts.set("t", t);
  return `#${parts}`;
}
