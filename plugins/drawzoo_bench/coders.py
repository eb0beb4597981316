"""What lossless coders of images need, in bits per dimension: a yardstick for models' bounds."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from drawzoo import ConfigError, Images

__all__ = ["CODERS", "Coded", "code"]

Progress = Callable[[Sequence[int]], Iterable[int]]

CODERS: dict[str, dict[str, Any]] = {
    "PNG": {"format": "PNG", "optimize": True},
    "WebP, lossless": {"format": "WEBP", "lossless": True},
    "WebP, lossless, most effort": {
        "format": "WEBP",
        "lossless": True,
        "quality": 100,
        "method": 6,
    },
}
"""Name → what Pillow is told. On small images, effort makes WebP's files larger."""

MODES = {1: "L", 3: "RGB"}


class Coded(NamedTuple):
    """Bits per dimension of a coder's files, a file an image."""

    coder: str
    bits_per_dimension: float
    stderr: float


def code(images: Images, progress: Progress = iter) -> list[Coded]:
    r"""Every image coded on its own: \(8 \cdot bytes / (C H W)\), headers and all.

    Arguments:
        images: Of 256 levels, grey or in colour.
        progress: Wraps the numbers of the images.

    Raises:
        ConfigError: If images are binarised, or have neither one channel nor three.
    """
    channels = images.pixels.shape[1]
    if images.binarize:
        raise ConfigError("these images are binarised, and coders are for images of 256 levels")
    if channels not in MODES:
        raise ConfigError(f"no coder takes {channels} channels; coders take 1 or 3")
    sizes = torch.zeros(len(CODERS), len(images.pixels), dtype=torch.float64)
    for index in progress(range(len(images.pixels))):
        pixels = np.ascontiguousarray(images.pixels[index].permute(1, 2, 0).numpy())
        picture = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0], MODES[channels])
        for row, settings in zip(sizes, CODERS.values(), strict=True):
            row[index] = _size(picture, settings)
    bits = 8 * sizes / math.prod(images.pixels.shape[1:])
    return [
        Coded(name, row.mean().item(), row.std(correction=0).item() / len(row) ** 0.5)
        for name, row in zip(CODERS, bits, strict=True)
    ]


def _size(picture: Image.Image, settings: dict[str, Any]) -> int:
    file = io.BytesIO()
    picture.save(file, **settings)
    return file.tell()
