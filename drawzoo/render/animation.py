"""The canvas growing step by step, with the attention windows drawn on it, as a GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from drawzoo.render.grid import PADDING, columns, grid

if TYPE_CHECKING:
    from drawzoo.engine.attention import Window
    from drawzoo.engine.drawing import Drawing

__all__ = ["gif"]

SIDE = 280
"""The shorter side is at least this long, in screen pixels, if no scale is given."""
CAPTION = 20
"""Room for the captions below, in screen pixels."""
STEP_MS = 300
LAST_MS = 2_000
READ_COLOUR = (60, 160, 255)
WRITE_COLOUR = (255, 60, 40)


def gif(
    drawing: Drawing,
    scale: int | None = None,
    *,
    inputs: Tensor | None = None,
    captions: Sequence[str] | None = None,
) -> bytes:
    """An endless GIF: a frame for each step, and the finished drawing without windows.

    Each image has its own windows: what was read through is blue, what was written through red.
    A window's box spans its grid of filters and one σ beyond.

    Arguments:
        drawing: The drawings.
        scale: Screen pixels for each pixel; by default enough for a side of `SIDE`.
        inputs: What was drawn again, [B, C, H, W], to be shown beside the drawings.
        captions: What stands below each frame; by default the step.
    """
    if scale is None:
        scale = max(1, -(-SIDE // (min(grid(drawing.images[0]).size) - 2 * PADDING)))
    captions = captions or [f"step t = {t + 1}" for t in range(len(drawing.images))]
    beside = None if inputs is None else grid(inputs, scale).convert("RGB")
    reads: Sequence[Window | None] = drawing.reads or [None] * len(drawing.images)
    writes: Sequence[Window | None] = drawing.writes or [None] * len(drawing.images)
    frames = []
    for images, read, write, text in zip(drawing.images, reads, writes, captions, strict=True):
        frame = grid(images, scale).convert("RGB")
        for window, colour in ((read, READ_COLOUR), (write, WRITE_COLOUR)):
            if window is not None:
                _outline(frame, window, colour, tuple(images.shape[2:]), scale)
        frames.append(_captioned(frame, text, beside))
    frames.append(_captioned(grid(drawing.images[-1], scale).convert("RGB"), captions[-1], beside))
    # One palette for all: grey levels and the two colours, so that nothing flickers.
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette())
    if drawing.images.shape[2] == 1:
        frames = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    buffer = io.BytesIO()
    durations = [STEP_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    return buffer.getvalue()


def _captioned(frame: Image.Image, text: str, beside: Image.Image | None) -> Image.Image:
    """The frame with a caption below, and the input, if there is one, to the right of it."""
    panels = [(frame, text)] if beside is None else [(frame, text), (beside, "input")]
    width = sum(panel.width for panel, _ in panels)
    whole = Image.new("RGB", (width, frame.height + CAPTION), "white")
    pen, left = ImageDraw.Draw(whole), 0
    for panel, label in panels:
        pen.text((left + PADDING, panel.height + 2), label, "black", ImageFont.load_default(13))
        whole.paste(panel, (left, 0))
        left += panel.width
    return whole


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
        pen.rectangle((x0 + left, y0 + top, x0 + right, y0 + bottom), outline=colour)


def _palette() -> list[int]:
    greys = [level for grey in range(254) for level in [round(grey * 255 / 253)] * 3]
    return [*greys, *READ_COLOUR, *WRITE_COLOUR]
