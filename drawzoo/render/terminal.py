"""Pictures in the terminal: two pixels a character, by half blocks."""

from __future__ import annotations

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

__all__ = ["show"]


SHADES = " ░▒▓█"


def show(picture: Image.Image, console: Console) -> None:
    """Prints a picture, made smaller if the terminal is narrower.

    Where there are no colours, it is shaded with block characters instead.
    """
    if picture.width > console.width:
        height = max(1, round(picture.height * console.width / picture.width))
        picture = picture.resize((console.width, height), Image.Resampling.BOX)
    cell = _coloured if console.color_system and not console.no_color else _shaded
    rgb = picture.convert("RGB")
    rows = []
    for y in range(0, rgb.height, 2):
        rows += [cell(rgb, x, y, min(y + 1, rgb.height - 1)) for x in range(rgb.width)]
        rows.append(Segment.line())
    console.print(Segments(rows), end="")


def _coloured(picture: Image.Image, x: int, above: int, below: int) -> Segment:
    colours = (Color.from_rgb(*_pixel(picture, x, y)) for y in (above, below))
    return Segment("▀", Style(color=next(colours), bgcolor=next(colours)))


def _shaded(picture: Image.Image, x: int, above: int, below: int) -> Segment:
    level = sum(_pixel(picture, x, above) + _pixel(picture, x, below)) / (6 * 255)
    return Segment(SHADES[round(level * (len(SHADES) - 1))])


def _pixel(picture: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    pixel = picture.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]
