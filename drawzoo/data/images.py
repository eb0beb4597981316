"""A split of a dataset, whole, in memory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from drawzoo.data.dataset import Support, find_dataset
from drawzoo.engine.shown import picture
from drawzoo.errors import DataError, nearest

__all__ = ["Images", "load_dataset"]


class Images(NamedTuple):
    """Images as bytes, and how they become the model's input."""

    pixels: Tensor
    """uint8, [N, C, H, W]: grey values from 0 to 255."""
    labels: Tensor | None
    """int64, [N]."""
    binarize: bool
    """Whether grey values are probabilities, sampled afresh each time an image is seen."""

    def batch(self, index: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The images at `index` [B] as float32 in [0, 1], [B, C, H, W], binarised if so."""
        grey = self.pixels[index].float() / 255
        if not self.binarize:
            return grey
        # As `torch.bernoulli`, number for number, in a third of the time.
        return (torch.rand(grey.shape, generator=generator) < grey).float()

    def subset(self, num: int) -> Images:
        """`num` images, a sample of all: the first of a seeded permutation.

        A file may be sorted, as the test file of the fixed binarised MNIST is by digit, so the
        first images of a file are no sample. All images stay in the order of the file.

        Raises:
            DataError: If there are fewer.
        """
        rows = self.rows(num)
        return self if num == len(self.pixels) else self._at(rows)

    def rows(self, num: int) -> Tensor:
        """The places of the images of `subset(num)` among all, from 0, int64 [num].

        Raises:
            DataError: If there are fewer.
        """
        if num > len(self.pixels):
            raise DataError(f"there are {len(self.pixels):,} images, and {num:,} were asked for")
        return torch.arange(num) if num == len(self.pixels) else self._permutation()[:num]

    def hold_out(self, num: int) -> tuple[Images, Images]:
        """All but `subset(num)` in the order of the file, and `subset(num)`."""
        order = self._permutation()
        return self._at(order[num:].sort().values), self._at(order[:num])

    def _repr_png_(self) -> bytes | None:
        """The first 25 images, in grey values, for notebooks."""
        return picture(self.pixels[:25] / 255)

    def _permutation(self) -> Tensor:
        # Unlike torch's and NumPy's other generators, this one never changes its numbers.
        return torch.from_numpy(np.random.RandomState(0).permutation(len(self.pixels)))

    def _at(self, index: Tensor) -> Images:
        labels = None if self.labels is None else self.labels[index]
        return self._replace(pixels=self.pixels[index], labels=labels)

    def mean(self) -> Tensor:
        """The mean image, float32, [C, H, W]."""
        total = self.pixels.sum(dim=0, dtype=torch.int64)
        return (total.double() / (255 * len(self.pixels))).float()


def load_dataset(
    name: str,
    split: str,
    root: Path,
    *,
    image: tuple[int, int, int] = (1, 28, 28),
    download: bool = True,
) -> Images:
    """A split of the registered dataset `name`.

    Arguments:
        name: The dataset's name.
        split: The split's name.
        root: Where datasets lie.
        image: (C, H, W), in pixels, that images of any size are fitted to; others keep their own.
        download: Whether files that are missing may be downloaded.

    Raises:
        UnknownNameError: If there is no such dataset.
        PluginError: If what is registered is none.
        DataError: If there is no such split, or its files are missing or damaged.
    """
    dataset = find_dataset(name).at(image)
    if split not in dataset.splits:
        raise DataError(f"{name} has no split {split!r}{nearest(split, dataset.splits)}")
    images = dataset.load(root, split, download=download)
    if not isinstance(images, Images):
        raise DataError(f"{name} gives a {type(images).__name__}; a dataset gives Images")
    pixels, labels = images.pixels, images.labels
    if pixels.dtype != torch.uint8 or pixels.dim() != 4 or len(pixels) == 0:
        raise DataError(
            f"{name} gives {pixels.dtype} {list(pixels.shape)}; a dataset gives images, "
            "as torch.uint8 [N, C, H, W]"
        )
    if labels is not None and len(labels) != len(pixels):
        raise DataError(f"{name} gives {len(labels)} labels for {len(pixels)} images")
    if images.binarize != (dataset.support is Support.AFRESH):
        raise DataError(
            f"{name} says that its images are {dataset.support}, and gives them with binarize="
            f"{images.binarize}"
        )
    return images
