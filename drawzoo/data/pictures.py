"""The user's own image files, fitted to a model's canvas.

The transform `strokes`, for canvases of one channel, treats a picture of a figure as MNIST's
makers treated scans of digits (LeCun et al., 1998):

1. turned as its EXIF orientation says; colours become luminance; transparent parts get the colour
   of the border, or, where the border itself is transparent, the one the figure stands out from;
2. the ground around each place, with its shadows, is taken away, and what is left, darker or
   lighter, whichever there is more of, becomes light on a dark ground (`drawzoo.data.ink`);
3. what is fainter than Otsu's threshold is paper, or its lines where they reach the border; the
   contrast of the rest is stretched to 1;
4. cropped to the figure, resized with its aspect ratio into a box of 20 / 28 of the canvas (in
   MNIST 20 × 20 in 28 × 28), and moved so that the centre of mass is in the middle, or as near to
   it as keeps the figure on the canvas.

`photo`, for canvases of three channels, changes no colours: the picture is resized so that it
covers the canvas, and its middle is taken. `none` takes pixels as they are, of files that have the
canvas's size already.

Pixels of one channel then become binary as in the dataset `mnist`, sampled with their grey values
as probabilities, so that a file's bound can be set beside a model's published figure. Pixels of
three channels stay as they are.

References:
    | Gradient-based learning applied to document recognition (LeCun et al., 1998), section III
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError
from torch import Tensor

from drawzoo.data.images import Images
from drawzoo.data.ink import Plane, find_ink, rim
from drawzoo.disk.atomic import open_regular
from drawzoo.errors import ConfigError, DataError

__all__ = ["TRANSFORMS", "fit", "read_images"]

TRANSFORMS = ("strokes", "photo", "none")

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The formats that are read; Pillow knows others, some of which start other programs."""
MAX_PIXELS = 50_000_000
"""A larger picture is refused unread: a few bytes can claim any size."""
WORKING_SIDE = 2_048
"""Pictures are averaged down to this before anything else: no canvas shows more."""
GRAINY = 200
"""Pictures whose shorter side has so many pixels show the grain of the sensor, and are smoothed."""
BOX = 20 / 28
"""The part of the canvas, in each direction, that a figure may fill."""


def read_images(
    paths: Sequence[Path], shape: tuple[int, int, int], transform: str | None = None
) -> Images:
    """Image files as a split without labels.

    Arguments:
        paths: The files.
        shape: The canvas (C, H, W), in pixels.
        transform: One of `TRANSFORMS`; by default `strokes` for one channel, `photo` for three.

    Raises:
        DataError: If one cannot be read, is too large, or shows nothing; it names the file.
        ConfigError: If the canvas has neither one nor three channels.
    """
    if shape[0] not in (1, 3):
        raise ConfigError(f"image files can be fitted to 1 or 3 channels, not to {shape[0]}")
    chosen = transform or ("strokes" if shape[0] == 1 else "photo")
    if chosen == "strokes" and shape[0] != 1:
        raise ConfigError("the transform strokes is for canvases of one channel; use photo")
    return Images(torch.stack([fit(path, shape, chosen) for path in paths]), None, shape[0] == 1)


def fit(path: Path, shape: tuple[int, int, int], transform: str) -> Tensor:
    """One image file as pixels, uint8, of a canvas [C, H, W].

    Raises:
        DataError: If it cannot be read, is too large, or shows nothing.
    """
    picture = _read(path)
    channels, height, width = shape
    if transform == "strokes":
        pixels = 255 * _strokes(picture, height, width, path)[None]
    else:
        flat = _flat(picture).convert("L" if channels == 1 else "RGB")
        if transform == "photo":
            flat = ImageOps.fit(flat, (width, height), Image.Resampling.LANCZOS)
        elif flat.size != (width, height):
            raise DataError(
                f"{path} is {flat.width}×{flat.height}, the canvas is {width}×{height}; "
                "leave out --transform none to fit it"
            )
        pixels = np.asarray(flat).reshape(height, width, channels).transpose(2, 0, 1)
    return torch.from_numpy(np.rint(pixels).astype(np.uint8))


def _read(path: Path) -> Image.Image:
    """A picture as LA or RGBA, upright and not larger than needed."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the image files in it")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures, and of metadata that it does not understand.
            warnings.simplefilter("ignore")
            with open_regular(path) as file, Image.open(file, formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise DataError(
                        f"{path} claims {picture.width:,}×{picture.height:,} pixels; at most "
                        f"{MAX_PIXELS:,} are read; make it smaller"
                    )
                upright = ImageOps.exif_transpose(_eight_bits(picture))
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path} claims more than {MAX_PIXELS:,} pixels; make it smaller") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is no image; what can be read: {', '.join(FORMATS)}") from None
    except DataError:
        raise
    except Exception as error:
        # Pillow's readers raise nearly anything on damaged files.
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or repr(error)
        raise DataError(f"{path} cannot be read as an image ({reason})") from None
    opaque = "transparency" not in upright.info
    factor = -(-max(upright.size) // WORKING_SIDE)
    if upright.mode in ("L", "RGB") and opaque:
        # First, as the conversion of a large one would take several times its memory.
        upright, factor = upright.reduce(factor), 1
    grey = upright.mode in ("1", "L", "LA") and opaque
    return upright.convert("LA" if grey else "RGBA").reduce(factor)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Sixteen bits a pixel, which `convert` would cut off at 255, as eight."""
    if picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers; save it with 8 or 16 bits")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.float64)
    result = Image.fromarray(np.rint(values.clip(0, 65_535) / 257).astype(np.uint8))
    result.info["exif"] = picture.getexif().tobytes()
    return result


def _flat(picture: Image.Image) -> Image.Image:
    """The picture without transparency, on the ground that its border or its figure suggests."""
    alpha = np.asarray(picture.getchannel("A"))
    if alpha.min() == 255:
        return picture.convert(picture.mode[:-1])
    luminance = np.asarray(picture.convert("LA").getchannel("L"))
    opaque = alpha >= 128
    border = rim(opaque)
    if border.mean() >= 0.5:
        ground = float(np.median(rim(luminance)[border]))
    else:
        ground = 255.0 if opaque.any() and luminance[opaque].mean() < 128 else 0.0
    paper = Image.new("LA", picture.size, (round(ground), 255)).convert(picture.mode)
    return Image.alpha_composite(paper.convert("RGBA"), picture.convert("RGBA")).convert(
        picture.mode[:-1]
    )


def _strokes(picture: Image.Image, height: int, width: int, path: Path) -> Plane:
    """Light strokes on a dark ground, sized and centred as in MNIST, [H, W] in [0, 1]."""
    grey = _flat(picture).convert("L")
    if min(grey.size) >= GRAINY:
        grey = grey.filter(ImageFilter.MedianFilter(3))
    ink = find_ink(np.asarray(grey).astype(np.float64), path)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    figure = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(BOX * height / figure.shape[0], BOX * width / figure.shape[1])
    size = [max(1, round(side * scale)) for side in figure.shape]
    resized = Image.fromarray(figure.astype(np.float32)).resize(
        (size[1], size[0]), Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.BICUBIC
    )
    # Thin strokes of a large picture fade as it shrinks.
    figure = np.asarray(resized).astype(np.float64).clip(0)
    figure /= figure.max()
    canvas = np.zeros((height, width))
    top, left = (
        _offset(figure.sum(axis=1 - axis), side) for axis, side in enumerate((height, width))
    )
    canvas[top : top + size[0], left : left + size[1]] = figure.clip(0, 1)
    return canvas


def _offset(mass: Plane, side: int) -> int:
    """Where to put a profile of ink so that its centre of mass is in the middle of `side`."""
    centre = (mass * np.arange(len(mass))).sum() / mass.sum()
    return int(min(max(round((side - 1) / 2 - centre), 0), side - len(mass)))
