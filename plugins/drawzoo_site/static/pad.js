/** Strokes by mouse or finger, and the image of them: fitted and centred as MNIST's are. */

const PEN = 20;
const BOX = 20;
const FINE = 8;
const INK = 2.2;

export class Pad {
  /** Calls `changed(done)` as strokes grow, with `done` when one ends. */
  constructor(canvas, changed) {
    Object.assign(this, { canvas, changed, strokes: [], given: null });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.strokes.push([this.point(event)]);
      this.show();
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      this.strokes.at(-1).push(this.point(event));
      this.show();
      changed(false);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => changed(true));
    this.show();
  }

  point(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width * this.canvas.width, (event.clientY - top) / height * this.canvas.height];
  }

  clear() {
    this.strokes = [];
    this.show();
  }

  /** A picture, a <canvas> or none, that is on the pad until something is drawn. */
  take(given) {
    this.given = given;
    this.show();
  }

  show() {
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.given && !this.strokes.length) {
      const { width, height } = this.given, scale = this.canvas.width / Math.max(width, height);
      const [across, down] = [width * scale, height * scale];
      context.imageSmoothingEnabled = false;
      context.drawImage(this.given, (this.canvas.width - across) / 2, (this.canvas.height - down) / 2, across, down);
    }
    this.ink(context, PEN);
  }

  ink(context, width) {
    Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    for (const [first, ...others] of this.strokes) {
      context.beginPath();
      context.moveTo(...first);
      for (const point of others.length ? others : [first]) context.lineTo(...point);
      context.stroke();
    }
  }

  /** Binary pixels, height × width: the longer side of the strokes is 20/28, their mass central. */
  image(height, width) {
    const points = this.strokes.flat();
    if (!points.length) return null;
    const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const fit = (BOX * Math.min(height, width) / 28 - INK) / Math.max(right - left, bottom - top, this.canvas.width / 6);
    const draw = (x, y) => this.rasterise(height, width, fit, x - fit * (left + right) / 2, y - fit * (top + bottom) / 2);
    const first = draw(width / 2, height / 2);
    let mass = 0, mx = 0, my = 0;
    first.forEach((value, at) => {
      mass += value;
      mx += value * (at % width + 0.5);
      my += value * (Math.floor(at / width) + 0.5);
    });
    const centred = draw(width - mx / mass, height - my / mass);
    return centred.map((value) => (value >= 0.5 ? 1 : 0));
  }

  rasterise(height, width, scale, dx, dy) {
    const canvas = new OffscreenCanvas(width * FINE, height * FINE);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.setTransform(scale * FINE, 0, 0, scale * FINE, dx * FINE, dy * FINE);
    this.ink(context, INK / scale);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Float64Array(height * width);
    for (let at = 0; at < canvas.width * canvas.height; at++) {
      const x = Math.floor((at % canvas.width) / FINE), y = Math.floor(at / canvas.width / FINE);
      pixels[y * width + x] += data[4 * at + 3] / 255 / FINE ** 2;
    }
    return pixels;
  }
}
