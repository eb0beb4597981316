"""Charts by matplotlib. Free of torch.

Only `matplotlib.figure` is used, and never `pyplot`: no window is opened, and no state is shared.
"""

from __future__ import annotations

import io

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from PIL import Image

__all__ = ["DPI", "finish"]

DPI = 100
"""Screen pixels for each of matplotlib's inches."""


def finish(figure: Figure, *, chart: bool = False) -> bytes:
    """The figure as PNG; the same bytes for the same figure and version of matplotlib.

    Arguments:
        figure: The figure.
        chart: Whether 256 colours are enough, as they are for lines and text.
    """
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(_legible(text.get_text()))
    raw = io.BytesIO()
    figure.savefig(raw, format="png")
    picture = Image.open(raw).convert("RGB")
    if chart:
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _legible(text: str) -> str:
    """The text with a question mark for every character that the font lacks."""
    font = get_font(findfont(FontProperties()))
    return "".join(c if c == "\n" or font.get_char_index(ord(c)) else "?" for c in text)
