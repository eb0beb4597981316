"""A batch of images as one picture, by torchvision."""

from __future__ import annotations

import io
import math

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

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
    if images.shape[1] not in (1, 3):
        raise ConfigError(f"cannot picture {images.shape[1]} channels; one or three can be")
    images = (images * 255).round().to(torch.uint8)
    if scale > 1:
        images = images.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    if len(images) == 1:
        # make_grid gives a single image no border.
        tiled = pad(images[0], [PADDING] * 4, value=128)
    else:
        tiled = make_grid(images, nrow=columns(len(images)), padding=PADDING, pad_value=128)
    if images.shape[1] == 1:
        tiled = tiled[:1]
    picture: Image.Image = to_pil_image(tiled)
    return picture


def png(picture: Image.Image) -> bytes:
    """A picture as PNG; the same bytes for the same picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
