/** An animation of what panels show, with names and steps, large enough for a lecture hall. */
import { Gif, palette } from "./gif.js";
import { COLOURS, shape } from "./pictures.js";

/** Pixels of a picture's longer side at least, of the label above it, and between two pictures. */
const LEAST = 336, LABEL = 72, GAP = 12;
const GROUND = "#242424";

/**
 * The bytes of a GIF of steps 1 to `length`, or null once `going` answers no. The page is not held
 * up, and after each frame `progress` is told how many there are.
 */
export async function film(panels, length, hundredths, going, progress) {
  let left = 0;
  const parts = panels.flatMap((panel) => panel.filmed().map((kind, at) => {
    const picture = document.createElement("canvas");
    shape(picture, panel.model.image, LEAST);
    const part = { panel, kind, picture, left: left + GAP, labelled: at === 0 };
    left = part.left + picture.width;
    return part;
  }));
  const width = left + GAP, height = LABEL + Math.max(...parts.map(({ picture }) => picture.height)) + GAP;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const coloured = panels.some(({ model }) => model.image[0] === 3);
  const gif = new Gif(width, height, palette(COLOURS, coloured ? panels.flatMap(colours) : []));
  for (let t = 1; t <= length; t++) {
    context.fillStyle = GROUND;
    context.fillRect(0, 0, width, height);
    for (const { panel, kind, picture, left, labelled } of parts) {
      panel.paint(kind, picture, t);
      context.drawImage(picture, left, LABEL);
      if (!labelled) continue;
      const room = panel.filmed().length * (picture.width + GAP) - GAP;
      context.fillStyle = "#fff";
      context.font = "600 26px system-ui, sans-serif";
      context.fillText(panel.name, left, 32, room);
      context.font = "22px system-ui, sans-serif";
      context.fillText(panel.told(t), left, 60, room);
    }
    gif.add(context.getImageData(0, 0, width, height).data, t === length ? 150 : hundredths);
    progress(t);
    await new Promise((next) => setTimeout(next));
    if (!going()) return null;
  }
  return gif.end();
}

/** Red, green and blue of every pixel that a panel's pictures have. */
const colours = (panel) => panel.images().flatMap((values) => {
  const [channels, height, width] = panel.model.image, size = height * width;
  return Array.from({ length: size }, (_, at) =>
    [0, 1, 2].map((channel) => Math.round(255 * values[(channel % channels) * size + at])));
});
