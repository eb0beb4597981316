"""The canvas growing step by step, with the attention windows drawn on it, as a GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from drawzoo.render.grid import PADDING, columns, grid

if TYPE_CHECKING:
    from drawzoo.engine.attention import Window
    from drawzoo.engine.drawing import Drawing

__all__ = ["Panel", "film", "gif"]

SIDE = 480
"""The longer side of a picture, and the room for it, are at least this long, in screen pixels, if
no scale is given: a lecture hall can read it."""
LONG = 256
"""Of more pictures, in all frames together, each is smaller: they bound the memory and the time."""
GAP = 12
"""Screen pixels around each picture."""
LINE = 34
"""Of text above the pictures, in screen pixels; the name is the larger one."""
NAME_SIZE, TEXT_SIZE = 26, 22
GROUND = "#242424"
STEP_MS = 300
LAST_MS = 2_000
READ_COLOUR = (60, 160, 255)
WRITE_COLOUR = (255, 60, 40)


class Panel(NamedTuple):
    """The drawings of one model in an animation."""

    drawing: Drawing
    title: str = ""
    """What stands above them, such as the model's name."""
    inputs: Tensor | None = None
    """What was drawn again, [B, C, H, W], to be shown beside the drawings."""
    captions: Sequence[str] | None = None
    """What stands above each frame; by default the step."""


def gif(
    drawing: Drawing,
    scale: int | None = None,
    *,
    title: str = "",
    inputs: Tensor | None = None,
    captions: Sequence[str] | None = None,
) -> bytes:
    """An animation of one `Panel`, see `film`."""
    return film([Panel(drawing, title, inputs, captions)], scale)


def film(panels: Sequence[Panel], scale: int | None = None) -> bytes:
    """An endless GIF: a frame for each step, and the finished drawings without windows.

    Each image has its own windows: what was read through is blue, what was written through red.
    A window's box spans its grid of filters and one σ beyond. Drawings of fewer steps than the
    others' wait, finished.

    Arguments:
        panels: What is shown, side by side; of more than three, in rows.
        scale: Screen pixels for each pixel; by default enough for a side of `SIDE`.
    """
    steps = max(len(panel.drawing.images) for panel in panels)
    top = GAP + LINE * (2 if any(panel.title for panel in panels) else 1)
    # One palette for all: grey levels and the two colours, so that nothing flickers.
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette())
    across = len(panels) if len(panels) <= 3 else columns(len(panels))
    grey = all(panel.drawing.images.shape[2] == 1 for panel in panels)
    side = SIDE if scale is None else 0
    if scale is None and (pictures := steps * len(panels)) > LONG:
        side = round(SIDE * (LONG / pictures) ** 0.5)

    def drawn(step: int) -> Image.Image:
        strips = [_strip(panel, step, step == steps, top, side, scale) for panel in panels]
        width, height = (max(strip.size[side] for strip in strips) for side in (0, 1))
        frame = Image.new("RGB", (across * width, -(-len(strips) // across) * height), GROUND)
        for number, strip in enumerate(strips):
            row, column = divmod(number, across)
            frame.paste(strip, (column * width, row * height))
        if grey:
            return frame.quantize(palette=palette, dither=Image.Dither.NONE)
        return frame.convert("P", palette=Image.Palette.ADAPTIVE)

    buffer = io.BytesIO()
    durations = [STEP_MS] * steps + [LAST_MS]
    # Each frame is drawn when its time comes.
    frames = map(drawn, range(1, steps + 1))
    drawn(0).save(buffer, "GIF", save_all=True, append_images=frames, duration=durations, loop=0)
    return buffer.getvalue()


def _strip(
    panel: Panel, step: int, last: bool, top: int, side: int, scale: int | None
) -> Image.Image:
    """A panel at a step, with its text; without windows if it is the last frame or has waited.

    The longer side of a picture has `side` pixels or more, unless a scale is given.
    """
    drawing, steps = panel.drawing, len(panel.drawing.images)
    at = min(step, steps - 1)
    images = drawing.images[at]
    if scale is None:
        scale = max(1, -(-side // (max(grid(images).size) - 2 * PADDING)))
    picture = grid(images, scale).convert("RGB")
    for windows, colour in ((drawing.reads, READ_COLOUR), (drawing.writes, WRITE_COLOUR)):
        if windows is not None and step < steps and not last:
            _outline(picture, windows[at], colour, tuple(images.shape[2:]), scale)
    text = panel.captions[at] if panel.captions else f"step {at + 1} of {steps}"
    pictures = [(picture, text)]
    if panel.inputs is not None:
        pictures.append((grid(panel.inputs, scale).convert("RGB"), "input"))
    rooms = [max(picture.width, side) for picture, _ in pictures]
    size = sum(rooms) + GAP * (len(rooms) + 1), top + picture.height + GAP
    strip, left = Image.new("RGB", size, GROUND), GAP
    pen = ImageDraw.Draw(strip)
    _write(pen, panel.title, (left, top - 2 * LINE), NAME_SIZE, size[0] - 2 * GAP)
    for (picture, text), room in zip(pictures, rooms, strict=True):
        _write(pen, text, (left, top - LINE), TEXT_SIZE, room)
        strip.paste(picture, (left + (room - picture.width) // 2, top))
        left += room + GAP
    return strip


def _write(pen: ImageDraw.ImageDraw, text: str, at: tuple[int, int], size: int, room: int) -> None:
    """Writes a line, smaller where it would be longer than the room."""
    length = ImageFont.load_default(size).getlength(text)
    font = ImageFont.load_default(size * min(1.0, room / max(length, 1)))
    pen.text(at, text, "white", font)


def _outline(
    frame: Image.Image,
    window: Window,
    colour: tuple[int, int, int],
    shape: tuple[int, ...],
    scale: int,
) -> None:
    height, width = (side * scale for side in shape)
    pen = ImageDraw.Draw(frame)
    across = columns(len(window.gx))
    for index in range(len(window.gx)):
        row, column = divmod(index, across)
        x0, y0 = PADDING + column * (width + PADDING), PADDING + row * (height + PADDING)
        left, top, right, bottom = (round(edge * scale) for edge in window.box(index))
        # A window may reach beyond its canvas, but its outline must not enter the next one.
        left, right = (min(max(edge, 0), width - 1) for edge in (left, right))
        top, bottom = (min(max(edge, 0), height - 1) for edge in (top, bottom))
        box = (x0 + left, y0 + top, x0 + right, y0 + bottom)
        # As seen from the last row.
        pen.rectangle(box, outline=colour, width=max(1, min(height, width) // 120))


def _palette() -> list[int]:
    greys = [level for grey in range(254) for level in [round(grey * 255 / 253)] * 3]
    return [*greys, *READ_COLOUR, *WRITE_COLOUR]
