/**
 * Standard normal noise by counting, as `drawzoo.Counter` in Python: Philox 4x32-10 (Salmon et al.,
 * 2011) with the seed as key and (block, step, image, 0) as counter, then Box-Muller.
 */

/** High and low word of the product of two 32-bit words. */
function multiply(a, b) {
  const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return [aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(other / 65536), Math.imul(a, b)];
}

/** The four words of a block: counter of four words, key of two. */
export function philox([a, b, c, d], [low, high]) {
  for (let round = 0; round < 10; round++) {
    const [firstHigh, firstLow] = multiply(0xd2511f53, a);
    const [secondHigh, secondLow] = multiply(0xcd9e8d57, c);
    [a, b, c, d] = [
      (secondHigh ^ b ^ low) >>> 0, secondLow >>> 0, (firstHigh ^ d ^ high) >>> 0, firstLow >>> 0,
    ];
    low = (low + 0x9e3779b9) >>> 0;
    high = (high + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

const unit = (word) => (word + 0.5) / 4294967296;

/** `size` numbers for one step of one image; the seed is a whole number below 2^53. */
export function normal(seed, image, step, size, temperature = 1) {
  const key = [seed % 4294967296, Math.floor(seed / 4294967296)];
  const noise = new Float64Array(size);
  for (let k = 0; k < size; k += 2) {
    const words = philox([k >>> 2, step, image, 0], key);
    const radius = Math.sqrt(-2 * Math.log(unit(words[k & 2])));
    const angle = 2 * Math.PI * unit(words[(k & 2) + 1]);
    noise[k] = temperature * radius * Math.cos(angle);
    if (k + 1 < size) noise[k + 1] = temperature * radius * Math.sin(angle);
  }
  return noise;
}
