"""CIFAR-10, from its binary version: the version for Python is pickles, which are not read.

References:
    | Learning Multiple Layers of Features from Tiny Images (Krizhevsky, 2009)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.reading import check_file
from drawzoo.errors import DataError

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["CIFAR10"]

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
FOLDER = "cifar-10-batches-bin"

_FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
_ROW = 1 + 3 * 32 * 32
"""Bytes of an image: its label, then its red, green and blue pixels."""
_IMAGES = 10_000
"""Images of a file."""


class _CIFAR10(Dataset):
    splits = tuple(_FILES)
    support = Support.LEVELS
    source = "https://www.cs.toronto.edu/~kriz/cifar.html"
    terms = "The makers of CIFAR-10 state no licence and ask to be cited (Krizhevsky, 2009)."

    def files(self, root: Path, split: str) -> list[Path]:
        return [root / FOLDER / name for name in _FILES[split]]

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        import torch

        from drawzoo.data.images import Images

        folder = root / FOLDER
        for file in _FILES[split]:
            check_file("cifar10", folder / file, _IMAGES * _ROW)
        missing = [file for file in _FILES[split] if not (folder / file).exists()]
        if missing:
            self._fetch(root, missing[0], download=download)
        rows = np.concatenate([_read(folder / file) for file in _FILES[split]])
        return Images(
            torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32)),
            torch.from_numpy(rows[:, 0].astype(np.int64)),
            binarize=False,
        )

    def _fetch(self, root: Path, missing: str, *, download: bool) -> None:
        reason = "downloads are off"
        if download:
            from torchvision.datasets.utils import download_and_extract_archive

            try:
                download_and_extract_archive(URL, str(root), md5=MD5, remove_finished=True)
                return
            except Exception as error:
                # urllib, tarfile and torchvision raise nearly anything here.
                reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"cifar10: {root / FOLDER / missing} is missing and cannot be had ({reason}); unpack "
            f"{URL} there, or name the folder that holds {FOLDER}/ with --data or DRAWZOO_DATA"
        )


def _read(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The rows of a file, uint8 [N, 3073]."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cifar10: cannot read {path} ({error.strerror})") from error
    rows = np.frombuffer(raw, dtype=np.uint8)
    if not raw or len(raw) % _ROW or rows[::_ROW].max() > 9:
        raise DataError(
            f"cifar10: {path} is damaged (it is not images of {_ROW:,} bytes, the first of them a "
            f"label below 10); delete it and try again, or unpack {URL} by hand"
        )
    return rows.reshape(-1, _ROW)


CIFAR10 = _CIFAR10()
