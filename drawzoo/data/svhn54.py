"""House numbers as the paper prepares them: 54 × 54, from the official full-number format.

The digits' boxes give a rectangle around the number; it is made 30 % larger in both directions, cut
out and resized to 64 × 64, and a patch of 54 × 54 at a random place of that is the image. The
paper draws the place anew each time an image is seen; here a seed fixes it for each image, and the
patch of a test image is the middle.

References:
    | DRAW (Gregor et al., 2015), section 4.4
    | Multi-digit Number Recognition from Street View Imagery (Goodfellow et al., 2013), section 5.1
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drawzoo.data.reading import check_file, watched
from drawzoo.data.svhn import URL, Housenumbers
from drawzoo.errors import DataError

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["SVHN54", "Number", "read_numbers"]

FOLDERS = {"train": ("train", "extra"), "valid": ("train", "extra"), "test": ("test",)}
"""The folders whose pictures a split is of."""
VALID = 4_701 / 235_755
"""The part of the pictures of train and extra that the paper holds out."""
SIDE, PATCH = 64, 54
MARGIN = 0.3

_LARGEST = 200_000_000
"""Bytes of a digitStruct.mat, of which the official ones have a quarter."""
_MOST = {"train": 33_402, "test": 13_068, "extra": 202_353}
"""Pictures of the official folders."""
_MAX_PIXELS = 10_000_000
"""Pixels of a picture, of which the official ones have a tenth."""


class Number(NamedTuple):
    """A picture of a house number."""

    path: Path
    box: tuple[float, float, float, float]
    """The smallest rectangle around its digits: left, top, right, bottom, in pixels."""


class _SVHN54(Housenumbers):
    splits = tuple(FOLDERS)

    def files(self, root: Path, split: str) -> list[Path]:
        return [root / "svhn" / part / "digitStruct.mat" for part in FOLDERS[split]]

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        import torch

        from drawzoo.data.images import Images

        numbers = [
            number for part in FOLDERS[split] for number in read_numbers(root / "svhn" / part)
        ]
        # Unlike NumPy's other generators, this one never changes its numbers.
        random = np.random.RandomState(0)
        order = random.permutation(len(numbers))
        places = random.randint(SIDE - PATCH + 1, size=(len(numbers), 2))
        held_out = round(VALID * len(numbers))
        if split == "test":
            chosen = np.arange(len(numbers))
            places = np.full_like(places, (SIDE - PATCH) // 2)
        else:
            chosen = np.sort(order[:held_out] if split == "valid" else order[held_out:])
        pixels = np.empty((len(chosen), 3, PATCH, PATCH), dtype=np.uint8)
        for row, index in enumerate(watched(list(chosen), f"svhn54 {split}")):
            top, left = places[index]
            whole = _cut(numbers[index])
            pixels[row] = whole[top : top + PATCH, left : left + PATCH].transpose(2, 0, 1)
        return Images(torch.from_numpy(pixels), None, binarize=False)


def read_numbers(folder: Path) -> list[Number]:
    """The pictures of a folder of the full-number format, by its `digitStruct.mat`.

    Raises:
        DataError: If it is missing or damaged, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            "svhn54: digitStruct.mat is read by h5py, which is not installed; "
            "pip install 'drawzoo[svhn]'"
        ) from error
    path = folder / "digitStruct.mat"
    check_file("svhn54", path, _LARGEST)
    if not path.exists():
        raise DataError(
            f"svhn54: {path} is missing; unpack {URL}{folder.name}.tar.gz in {folder.parent}, or "
            f"name the folder that holds {folder.parent.name}/ with --data or DRAWZOO_DATA"
        )
    try:
        with h5py.File(path, "r") as file:
            names, boxes = file["digitStruct/name"], file["digitStruct/bbox"]
            num = len(names)
            if names.shape != (num, 1) or boxes.shape != (num, 1) or not num:
                raise ValueError("it has no list of names and boxes")
            if num > _MOST[folder.name]:
                raise ValueError(f"it claims {num:,} pictures, at most {_MOST[folder.name]:,}")
            return [
                Number(folder / _name(file[names[i, 0]]), _rectangle(file, file[boxes[i, 0]]))
                for i in watched(range(num), f"svhn54 {folder.name}")
            ]
    except Exception as error:
        # h5py raises nearly anything on damaged files.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"svhn54: {path} is damaged ({reason[:100]}); delete it and unpack "
            f"{URL}{folder.name}.tar.gz again"
        ) from error


def _name(characters: Any) -> str:
    """The name of a picture: numbers of its characters, [N, 1]."""
    if characters.size > 100:
        raise ValueError("a name has more than 100 characters")
    name = "".join(map(chr, characters[:].ravel()))
    if Path(name).name != name or not name.endswith(".png"):
        raise ValueError(f"{name!r} is no name of a picture")
    return name


def _rectangle(file: Any, group: Any) -> tuple[float, float, float, float]:
    """Around all digits of a picture: left, top, right, bottom."""
    left, top, width, height = (
        _values(file, group[key]) for key in ("left", "top", "width", "height")
    )
    if not len(left) == len(top) == len(width) == len(height) > 0:
        raise ValueError("a digit has no box")
    box = (left.min(), top.min(), (left + width).max(), (top + height).max())
    if not (np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]):
        raise ValueError("a box is empty")
    return tuple(map(float, box))  # type: ignore[return-value]


def _values(file: Any, attribute: Any) -> npt.NDArray[np.float64]:
    """An attribute of each digit: one number by itself, several by reference."""
    if attribute.size > 100:
        raise ValueError("a picture has more than 100 digits")
    values = attribute[:].ravel()
    if attribute.dtype.kind == "O":
        values = np.array([file[reference][0, 0] for reference in values])
    return np.asarray(values, dtype=np.float64)


def _cut(number: Number) -> npt.NDArray[np.uint8]:
    """The number with a margin around it, [64, 64, 3]."""
    from PIL import Image

    left, top, right, bottom = number.box
    dx, dy = (MARGIN / 2 * side for side in (right - left, bottom - top))
    try:
        with Image.open(number.path, formats=("PNG",)) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise ValueError(f"it claims {picture.width:,}×{picture.height:,} pixels")
            box = (
                max(0.0, left - dx),
                max(0.0, top - dy),
                min(float(picture.width), right + dx),
                min(float(picture.height), bottom + dy),
            )
            fitted = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
    except Exception as error:
        # Pillow's readers raise nearly anything on damaged files.
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(
            f"svhn54: {number.path} cannot be read ({reason[:100]}); unpack "
            f"{URL}{number.path.parent.name}.tar.gz again"
        ) from error
    return np.asarray(fitted)


SVHN54 = _SVHN54()
