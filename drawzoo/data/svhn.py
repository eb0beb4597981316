"""House numbers cut to 32 × 32 pixels, from the official files.

References:
    | Reading Digits in Natural Images with Unsupervised Feature Learning (Netzer et al., 2011)
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.reading import check_file, fetch
from drawzoo.errors import DataError

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["SVHN", "SVHN_10K", "Housenumbers"]

URL = "http://ufldl.stanford.edu/housenumbers/"

Bytes = npt.NDArray[np.uint8]


class _File(NamedTuple):
    name: str
    images: int
    md5: str


_FILES = {
    "train": _File("train_32x32.mat", 73_257, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test": _File("test_32x32.mat", 26_032, "eb5a983be6a315427106f1b164d9cef3"),
    "extra": _File("extra_32x32.mat", 531_131, "a93ce644f1a588dc4d68dda5feec44a7"),
}
"""The official files; their MD5 are torchvision's."""


class Housenumbers(Dataset):
    """What the datasets of house numbers have in common."""

    support = Support.LEVELS
    licence = "non-commercial use only"
    source = URL
    terms = "The images of SVHN are for non-commercial use only."


class _SVHN(Housenumbers):
    splits = tuple(_FILES)

    def files(self, root: Path, split: str) -> list[Path]:
        return [root / "svhn" / _FILES[split].name]

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        return _as_images(*_read("svhn", root, split, download=download))


class _SVHN10K(Housenumbers):
    """The first 10,000 crops of the official test file; no photograph is in both splits.

    Crops of one photograph overlap. Rows 0 to 8,000 are photographs 1 to 4,032, and rows 8,001 to
    9,999 are 4,033 to 5,033.
    """

    splits = ("train", "test")
    rows = {"train": slice(8_001), "test": slice(8_001, 10_000)}
    sha256 = (
        "8158838bf8df734f0d02585aa5edb2c38ed95f96ee012486015b47716777f9b3",
        "f79a6ce903ee199d15b2d5f9056808f1451c8250164428f531352a7cfbfd0b22",
    )
    """Of the first 10,000 rows: the pixels [N, 32, 32, 3], and y, where the digit 0 is 10."""

    def files(self, root: Path, split: str) -> list[Path]:
        return SVHN.files(root, "test")

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        pixels, labels = (
            part[:10_000] for part in _read("svhn-10k", root, "test", download=download)
        )
        found = tuple(hashlib.sha256(part.tobytes()).hexdigest() for part in (pixels, labels))
        if found != self.sha256:
            raise DataError(
                f"svhn-10k: {root / 'svhn' / _FILES['test'].name} does not begin with the 10,000 "
                f"crops of the official file (their SHA-256 differs); fetch {URL}test_32x32.mat"
            )
        return _as_images(pixels[self.rows[split]], labels[self.rows[split]])


def _as_images(pixels: Bytes, labels: Bytes) -> Images:
    import torch

    from drawzoo.data.images import Images

    return Images(
        torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))),
        torch.from_numpy(labels.astype(np.int64) % 10),
        binarize=False,
    )


def _read(name: str, root: Path, split: str, *, download: bool) -> tuple[Bytes, Bytes]:
    """Pixels [N, 32, 32, 3] and y [N], from 1 to 10, of an official file or a part of one."""
    scipy_io = _scipy_io(name)
    file = _FILES[split]
    path = root / "svhn" / file.name
    # Compressed, so hardly larger than the pixels themselves.
    check_file(name, path, file.images * 3_100)
    fetch(name, path, URL + file.name, file.md5, download=download)
    try:
        shapes = {key: (shape, kind) for key, shape, kind in scipy_io.whosmat(path)}
        num = _check_shapes(shapes, file.images)
        # A file of another length is somebody's own part; one of the right length is the official.
        if num == file.images and _md5(path) != file.md5:
            raise ValueError("its MD5 is not the published one")
        found = scipy_io.loadmat(path, variable_names=["X", "y"])
        pixels, labels = found["X"], found["y"].ravel()
        if pixels.shape != (32, 32, 3, num) or pixels.dtype != np.uint8 or len(labels) != num:
            raise ValueError("its content is not what its header says")
        if not np.isin(labels, np.arange(1, 11)).all():
            raise ValueError("some labels are not from 1 to 10")
    except Exception as error:
        # scipy raises nearly anything on damaged files.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name}: {path} is damaged ({reason[:100]}); delete it and try again, or fetch "
            f"{URL + file.name} by hand"
        ) from error
    return np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), labels.astype(np.uint8)


def _check_shapes(shapes: dict[str, tuple[tuple[int, ...], str]], most: int) -> int:
    """The number of images that a header claims, if it is one of the layout."""
    (shape, kind), (labels, _) = shapes.get("X", ((), "")), shapes.get("y", ((), ""))
    if len(shape) != 4 or shape[:3] != (32, 32, 3) or kind != "uint8":
        raise ValueError("it has no images X, uint8 [32, 32, 3, N]")
    if not 0 < shape[3] <= most:
        raise ValueError(f"it claims {shape[3]:,} images, at most {most:,} are right")
    if labels != (shape[3], 1):
        raise ValueError(f"it has no labels y, [{shape[3]}, 1]")
    return shape[3]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _scipy_io(name: str) -> Any:
    try:
        import scipy.io
    except ImportError as error:
        raise DataError(
            f"{name}: its .mat files are read by scipy, which is not installed; "
            "pip install 'drawzoo[svhn]'"
        ) from error
    return scipy.io


SVHN = _SVHN()
SVHN_10K = _SVHN10K()
