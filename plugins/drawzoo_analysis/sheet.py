"""A sheet of images with labels, by matplotlib. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from drawzoo.commands import DPI

__all__ = ["READ", "WRITE", "Array", "Sheet"]

Array = npt.NDArray[np.floating]

READ, WRITE = "#3ca0ff", "#ff3c28"
"""The colours of windows, as in animations: read through, written through."""
GAP = 3
"""Screen pixels between images."""
TITLE, NOTES = FontProperties(size=11, weight="bold"), FontProperties(size=8.5)


class Sheet:
    """Images in rows and columns, each pixel a square of whole screen pixels, with labels.

    Arguments:
        images: [R, K, C, H, W] in [0, 1], with one or three channels; NaN leaves a place empty.
        rows: A label for each row.
        columns: A label for each column.
        title: What it shows.
        notes: A line below.
        scale: Screen pixels for each pixel.
        right: Room for charts beside it, in screen pixels.
    """

    def __init__(
        self,
        images: Array,
        *,
        rows: Sequence[str],
        columns: Sequence[str],
        title: str,
        notes: str = "",
        scale: int = 3,
        right: int = 0,
    ) -> None:
        down, across, _, height, width = images.shape
        self.step: tuple[float, float] = (height + GAP / scale, width + GAP / scale)
        self.size: tuple[int, int] = (height, width)
        lines = max(label.count("\n") + 1 for label in columns)
        left = 14 + 7 * max(len(line) for label in rows for line in label.split("\n"))
        top, bottom = 34 + 16 * lines, 28 if notes else 8
        inner = (round(across * self.step[1] * scale), round(down * self.step[0] * scale))
        # A title is not cut off by a narrow sheet.
        texts = (_width(title, TITLE), _width(notes, NOTES))
        wide = max(left + inner[0] + 12 + right, 24 + max(texts))
        tall = top + inner[1] + bottom
        self.figure = Figure(figsize=(wide / DPI, tall / DPI), dpi=DPI)
        self.axes = self.figure.add_axes(
            (left / wide, bottom / tall, inner[0] / wide, inner[1] / tall)
        )
        self.axes.set_xlim(0, inner[0] / scale)
        self.axes.set_ylim(inner[1] / scale, 0)
        self.axes.axis("off")
        self._beside = ((left + inner[0] + 24) / wide, bottom / tall, inner[1] / tall, wide)
        for r in range(down):
            for k in range(across):
                self._image(images[r, k], r, k)
        for r, label in enumerate(rows):
            self.axes.text(
                -6 / scale,
                self.middle(r),
                label,
                ha="right",
                va="center",
                fontsize=9,
                parse_math=False,
            )
        for k, label in enumerate(columns):
            x = k * self.step[1] + width / 2
            self.axes.text(x, -5 / scale, label, ha="center", va="bottom", fontsize=9)
        # In names of files and folders, a dollar sign is no mathematics.
        self.figure.text(
            12 / wide,
            1 - 10 / tall,
            title,
            va="top",
            fontproperties=TITLE,
            parse_math=False,
        )
        if notes:
            self.figure.text(
                12 / wide, 8 / tall, notes, va="bottom", fontproperties=NOTES, color="0.3"
            )

    def middle(self, row: int) -> float:
        """The height of the middle of a row, in the axes' units, which are pixels of an image."""
        return row * self.step[0] + self.size[0] / 2

    def chart(self, column: int, columns: int, width: int, title: str) -> Axes:
        """A chart beside the images, with the rows' heights.

        Arguments:
            column: Which of the charts it is.
            columns: The number of charts.
            width: Room for all of them, in screen pixels.
            title: What it shows.
        """
        left, bottom, height, wide = self._beside
        each = width / columns / wide
        axes = self.figure.add_axes((left + column * each, bottom, each * 0.78, height))
        axes.set_ylim(*self.axes.get_ylim())
        axes.set_yticks([])
        axes.xaxis.tick_top()
        # Labels of small numbers are long.
        axes.locator_params(axis="x", nbins=3)
        axes.tick_params(labelsize=8)
        axes.set_title(title, fontsize=9, pad=8)
        for side in ("right", "bottom"):
            axes.spines[side].set_visible(False)
        return axes

    def box(
        self, row: int, column: int, box: Sequence[float], colour: str, *, dashed: bool = False
    ) -> None:
        """Outlines a box (left, top, right, bottom), in pixels, as far as it is on the image.

        Dashes let another box show where the two coincide.
        """
        limits = (self.size[1], self.size[0], self.size[1], self.size[0])
        left, top, right, bottom = (
            min(max(edge, 0.0), limit) for edge, limit in zip(box, limits, strict=True)
        )
        y, x = row * self.step[0], column * self.step[1]
        self.axes.add_patch(
            Rectangle(
                (x + left, y + top),
                right - left,
                bottom - top,
                fill=False,
                ec=colour,
                lw=1.3,
                ls=(0, (3, 3)) if dashed else "-",
            )
        )

    def course(
        self, row: int, column: int, points: Sequence[tuple[float, float]], colour: str
    ) -> None:
        """Joins points (x, y) of an image, with a ring on the first and a number on the last."""
        y, x = row * self.step[0], column * self.step[1]
        height, width = self.size
        xs = [x + min(max(point[0], 0.0), width) for point in points]
        ys = [y + min(max(point[1], 0.0), height) for point in points]
        self.axes.plot(xs, ys, "-o", color=colour, lw=1.2, ms=3)
        self.axes.plot(xs[:1], ys[:1], "o", mfc="white", mec=colour, ms=5)

    def _image(self, image: Array, row: int, column: int) -> None:
        if np.isnan(image).any():
            return
        height, width = self.size
        y, x = row * self.step[0], column * self.step[1]
        pixels = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
        self.axes.imshow(
            pixels.clip(0, 1),
            cmap="gray",
            vmin=0,
            vmax=1,
            extent=(x, x + width, y + height, y),
            interpolation="nearest",
            aspect="auto",
        )


def _width(text: str, font: FontProperties) -> int:
    """How wide a line of text is, in screen pixels."""
    drawn = Figure(dpi=DPI).text(0, 0, text, fontproperties=font, parse_math=False)
    return math.ceil(drawn.get_window_extent().width)
