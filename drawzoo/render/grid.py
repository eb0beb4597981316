"""A batch of images as one picture."""

from __future__ import annotations

import io
import math

import torch
from PIL import Image
from torch import Tensor

from drawzoo.errors import ConfigError

__all__ = ["PADDING", "columns", "grid", "png", "roomy_scale"]

PADDING = 2
"""Pixels between images."""


def columns(num: int) -> int:
    """Images in a row of a grid: as square as can be."""
    return math.ceil(math.sqrt(num))


def roomy_scale(images: Tensor, side: int = 800) -> int:
    """The largest scale, up to 8, at which the grid of images is at most `side` pixels wide."""
    return max(1, min(8, side // (columns(len(images)) * images.shape[3])))


def grid(images: Tensor, scale: int = 1) -> Image.Image:
    """One picture of all images.

    Arguments:
        images: [B, C, H, W] in [0, 1], with one or three channels.
        scale: Screen pixels for each pixel, with hard edges.

    Raises:
        ConfigError: If the images have another number of channels.
    """
    num, channels, height, width = images.shape
    if channels not in (1, 3):
        raise ConfigError(f"cannot picture {channels} channels; one or three can be")
    pixels = (images * 255).round().to(torch.uint8)
    pixels = pixels.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    across, down = scale * width + PADDING, scale * height + PADDING
    size = columns(num) * across + PADDING, math.ceil(num / columns(num)) * down + PADDING
    # By Pillow: importing torchvision for its grid takes as long as importing torch.
    picture = Image.new("L" if channels == 1 else "RGB", size, (128,) * channels)
    for index, image in enumerate(pixels.permute(0, 2, 3, 1).cpu().numpy()):
        row, column = divmod(index, columns(num))
        tile = Image.fromarray(image[:, :, 0] if channels == 1 else image)
        picture.paste(tile, (PADDING + column * across, PADDING + row * down))
    return picture


def png(picture: Image.Image) -> bytes:
    """A picture as PNG; the same bytes for the same picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
