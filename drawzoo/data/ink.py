"""The ink of a picture: what stands out from its local ground, whatever the light.

References:
    | A threshold selection method from gray-level histograms (Otsu, 1979)
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from drawzoo.errors import DataError

__all__ = ["FigureWarning", "Plane", "find_ink", "rim"]

GROUND_SIDE, COARSE_SIDE = 128, 48
"""The ground is found in a picture of at most this, and whether ink is darker in a coarser one."""
APART, PART = 0.05, 0.25
"""Figures are two if a gap of this part of their side has this part of the ink on each side."""
FAINT = 0.2
"""Ink below this part of the strongest is paper, dust, or the shadow of a hand."""

Plane = npt.NDArray[np.float64]
S = TypeVar("S", bound=np.generic)


class FigureWarning(UserWarning):
    """A picture that does not seem to show one whole figure."""


def find_ink(luminance: Plane, path: Path) -> Plane:
    """How much ink each pixel has, from 0 to 1; dark on light or light on dark.

    Arguments:
        luminance: The picture, [H, W], from 0 to 255.
        path: Its file, which errors and warnings name.

    Raises:
        DataError: If it is of one colour.

    Warns:
        FigureWarning: If ink touches the border, or if there seem to be two figures.
    """
    small = np.asarray(_averaged(luminance, GROUND_SIDE)).astype(np.float64)
    # Light multiplies, so in logarithms it adds.
    coarse = np.log(np.asarray(_averaged(luminance, COARSE_SIDE)).astype(np.float64) + 8)
    beyond = coarse - _median(coarse)
    dark = -beyond.clip(max=0).sum() > beyond.clip(min=0).sum()
    sign = -1.0 if dark else 1.0
    ground = sign * _resized(_opened(sign * small), luminance.shape)
    difference = sign * (luminance - ground)
    if dark:
        # Light falls on paper and ink alike: ink takes away the same part of it everywhere.
        difference /= ground.clip(min=max(ground.max() / 8, 1))
    if difference.max() <= 1e-6:
        raise DataError(f"{path} is of one colour: there is nothing on it to draw")
    figure = difference >= _otsu(difference)
    marks = difference[figure]
    if rim(figure).any() and marks.min() < marks.max():
        # Lines of paper reach the border, and are fainter than ink.
        stronger = difference >= _otsu(marks)
        if not rim(stronger).any():
            figure = stronger
    # The strongest but for the noise.
    strongest = np.quantile(difference[figure], 0.9)
    _look(figure, path)
    ink: Plane = ((difference / strongest - FAINT) / (1 - FAINT)).clip(0, 1)
    # With the soft edge of the strokes, and without the faint lines of the paper.
    return ink * _windows(np.pad(figure, 1), (3, 3)).any(axis=(2, 3))


def _look(figure: npt.NDArray[np.bool_], path: Path) -> None:
    """Warns of a figure that is cut off, or that is two."""
    if rim(figure).any():
        warnings.warn(
            f"{path}: ink or a shadow touches the border; leave a margin of paper around the digit",
            FigureWarning,
            stacklevel=2,
        )
    for axis in (0, 1):
        ink = figure.sum(axis=axis)
        there = np.flatnonzero(ink)
        if len(there) < 2:
            continue
        steps = np.diff(there)
        widest = int(steps.argmax())
        gap = steps[widest] - 1
        part = ink[: there[widest] + 1].sum() / ink.sum()
        if gap > APART * np.ptp(there) and PART < part < 1 - PART:
            warnings.warn(
                f"{path}: there seem to be two separate figures, which are drawn as one; cut the "
                "picture so that it shows one digit",
                FigureWarning,
                stacklevel=2,
            )
            return


def _averaged(plane: Plane, side: int) -> Image.Image:
    """The plane averaged down to at most `side` pixels in each direction."""
    height, width = (-(-length // side) for length in plane.shape)
    return Image.fromarray(plane.astype(np.float32)).reduce((width, height))


def _resized(plane: Plane, shape: tuple[int, ...]) -> Plane:
    image = Image.fromarray(plane.astype(np.float32))
    fitted = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(fitted).astype(np.float64)


def _median(plane: Plane) -> Plane:
    """The median around each pixel, over a third of the plane: paper, and the edges of shadows."""
    half = [max(side // 6, 1) for side in plane.shape]
    padded = np.pad(
        plane, [(margin, margin) for margin in half], mode="reflect", reflect_type="odd"
    )
    windows = _windows(padded, [2 * margin + 1 for margin in half])
    median: Plane = np.median(windows, axis=(2, 3))
    return median


def _opened(plane: Plane) -> Plane:
    """A plane without what is light and narrower than half of it: morphological opening.

    What reaches the border may go on beyond it: gradients and shadows stay as they are.
    """
    sizes = [max(side // 2 | 1, 3) for side in plane.shape]
    for extreme, margin in ((np.min, np.inf), (np.max, None)):
        for axis, size in enumerate(sizes):
            if margin is not None:
                wide = [(size - 1,) * 2 if axis == other else (0, 0) for other in (0, 1)]
                plane = np.pad(plane, wide, constant_values=margin)
            windows = np.lib.stride_tricks.sliding_window_view(plane, size, axis)
            plane = extreme(windows, axis=2)
    return plane


def _windows(plane: npt.NDArray[S], size: Sequence[int]) -> npt.NDArray[S]:
    """The windows of a size at all places, [places down, places across, *size]."""
    return np.lib.stride_tricks.sliding_window_view(plane, tuple(size))


def _otsu(plane: Plane) -> float:
    """The threshold between two classes of values with the least variance within (Otsu 1979)."""
    counts, edges = np.histogram(plane.clip(0), 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below, mass = counts.cumsum()[:-1], (counts * middles).cumsum()
    above = counts.sum() - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (mass[:-1] / below - (mass[-1] - mass[:-1]) / above) ** 2
    # Between classes with nothing in between, all thresholds are as good: the middle.
    best = np.flatnonzero(apart >= np.nanmax(apart) * (1 - 1e-9))
    return float((edges[best[0] + 1] + edges[best[-1] + 1]) / 2)


def rim(plane: npt.NDArray[S]) -> npt.NDArray[S]:
    """The outermost pixels."""
    return np.concatenate([plane[0], plane[-1], plane[1:-1, 0], plane[1:-1, -1]])
