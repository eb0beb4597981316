"""Large canvases made of MNIST's digits, the same each time: two digits, and a digit in clutter.

References:
    | DRAW (Gregor et al., 2015), sections 4.1 and 4.3
    | Recurrent Models of Visual Attention (Mnih et al., 2014), section 4.1
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.mnist import MNIST
from drawzoo.data.reading import watched
from drawzoo.errors import DataError

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["CLUTTERED_MNIST", "MULTI_MNIST"]

CHUNK = 1_000
"""Images made at once."""

Bytes = npt.NDArray[np.uint8]
Random = np.random.RandomState


class _Composed(Dataset):
    """For each digit of a split of MNIST, an image with it and with other things.

    Arguments:
        name: The dataset's name.
        side: Height and width of an image, in pixels.
        others: How many pieces of random digits are added to the digit.
        piece: Height and width of a piece, in pixels; 28 is a whole digit.
        labelled: Whether the digit is the image's label.
    """

    splits = MNIST.splits
    support = Support.AFRESH
    licence = MNIST.licence
    source = f"composed of mnist, {MNIST.source}"

    def __init__(self, name: str, *, side: int, others: int, piece: int, labelled: bool) -> None:
        self.name, self.side, self.others = name, side, others
        self.piece, self.labelled = piece, labelled

    def files(self, root: Path, split: str) -> list[Path]:
        return MNIST.files(root, split)

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        import torch

        from drawzoo.data.images import Images

        try:
            mnist = MNIST.load(root, split, download=download)
        except DataError as error:
            raise DataError(str(error).replace("mnist:", f"{self.name} is of mnist:", 1)) from error
        digits = mnist.pixels[:, 0].numpy()
        # Unlike NumPy's other generators, this one never changes its numbers.
        random = np.random.RandomState(self.splits.index(split))
        pixels = np.empty((len(digits), 1, self.side, self.side), np.uint8)
        for start in watched(range(0, len(digits), CHUNK), f"{self.name} {split}"):
            part = digits[start : start + CHUNK]
            canvas = np.zeros((len(part), self.side, self.side), np.uint16)
            _add(canvas, part, random)
            for _ in range(self.others):
                other = digits[random.randint(len(digits), size=len(part))]
                _add(canvas, _pieces(other, self.piece, random), random)
            # Where things overlap, their intensities are added, up to 1.
            pixels[start : start + CHUNK, 0] = canvas.clip(max=255)
        labels = mnist.labels if self.labelled else None
        return Images(torch.from_numpy(pixels), labels, binarize=True)


def _pieces(digits: Bytes, side: int, random: Random) -> Bytes:
    """A square of each digit [B, 28, 28] at a random place, [B, side, side]."""
    rows, columns = _places(digits, side, random)
    pieces: Bytes = digits[np.arange(len(digits))[:, None, None], rows, columns]
    return pieces


def _add(canvas: npt.NDArray[np.uint16], things: Bytes, random: Random) -> None:
    """Adds squares [B, s, s] to canvases [B, S, S], each at a random place."""
    rows, columns = _places(canvas, things.shape[1], random)
    canvas[np.arange(len(canvas))[:, None, None], rows, columns] += things


def _places(
    squares: npt.NDArray[Any], side: int, random: Random
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows [B, side, 1] and columns [B, 1, side] of a random place within each square."""
    corner = random.randint(squares.shape[1] - side + 1, size=(2, len(squares), 1))
    rows, columns = corner + np.arange(side)
    return rows[:, :, None], columns[:, None, :]


MULTI_MNIST = _Composed("multi-mnist", side=60, others=1, piece=28, labelled=False)
CLUTTERED_MNIST = _Composed("cluttered-mnist", side=100, others=8, piece=8, labelled=True)
