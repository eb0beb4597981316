"""MNIST and Fashion-MNIST, read by torchvision.

References:
    | Gradient-based learning applied to document recognition (LeCun et al., 1998)
    | Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms
      (Xiao, Rasul & Vollgraf, 2017)
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from drawzoo.data.advice import without_download
from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.reading import check_file
from drawzoo.errors import DataError

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["FASHION_MNIST", "MNIST"]

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10_000),
}
_LARGEST = 16 + 60_000 * 28 * 28
"""Bytes of the largest file; a larger one is refused unread."""


class _IDX(Dataset):
    """The four IDX files that a class of torchvision's downloads and reads.

    Arguments:
        name: The dataset's name.
        reader: The name of torchvision's class, and of the folder of its files.
        md5: The MD5 of each unpacked file. torchvision checks the packed ones as it downloads
            them, and after that only that the files are there.
        licence: What the images may be used for.
        source: Where they come from.
    """

    splits = ("train", "test")
    support = Support.AFRESH

    def __init__(
        self, name: str, reader: str, md5: dict[str, str], *, licence: str, source: str
    ) -> None:
        self.name, self.reader, self.md5 = name, reader, md5
        self.licence, self.source = licence, source

    def files(self, root: Path, split: str) -> list[Path]:
        return [root / self.reader / "raw" / name for name in _FILES[split][:2]]

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        import torch
        from torchvision import datasets

        from drawzoo.data.images import Images

        folder = root / self.reader / "raw"
        images, labels, count = _FILES[split]
        for name in self.md5:
            check_file(self.name, folder / name, _LARGEST)
            # torchvision would write a download into a pipe, and wait.
            check_file(self.name, folder / f"{name}.gz", _LARGEST)
        made = [place for place in (folder, folder.parent, root) if not place.exists()]
        try:
            read = getattr(datasets, self.reader)
            data = read(str(root), train=split == "train", download=download)
        except Exception as error:
            # torchvision raises RuntimeError, ValueError, OSError and AssertionError here.
            reason = (str(error).splitlines() or [type(error).__name__])[-1]
            missing = [name for name in (images, labels, *self.md5) if not (folder / name).exists()]
            for place in made:
                # torchvision makes the folders before it knows whether there is a network.
                with contextlib.suppress(OSError):
                    place.rmdir()
            if missing:
                raise DataError(
                    f"{self.name}: no {split} files in {folder}: {missing[0]} is missing and "
                    f"cannot be had ({reason}); name the folder with {folder.parent.name}/raw with "
                    f"--data or DRAWZOO_DATA, or {without_download(self.name, split)}"
                ) from error
            raise DataError(
                f"{self.name}: the {split} files in {folder} are damaged ({reason}); "
                "delete them and try again"
            ) from error
        if len(data.data) != len(data.targets) or data.data.shape[1:] != (28, 28):
            raise DataError(
                f"{self.name}: the {split} images and labels in {folder} do not belong together"
            )
        # Files of another length are somebody's own subset; files of the right length must be
        # the published ones.
        if len(data.data) == count:
            for name in (images, labels):
                if hashlib.md5((folder / name).read_bytes()).hexdigest() != self.md5[name]:
                    raise DataError(
                        f"{self.name}: {folder / name} is damaged (its MD5 is not the published "
                        "one); delete it and try again"
                    )
        return Images(data.data.unsqueeze(1), data.targets.to(torch.int64), binarize=True)


MNIST = _IDX(
    "mnist",
    "MNIST",
    {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    licence="CC BY-SA 3.0",
    source="http://yann.lecun.com/exdb/mnist/",
)
FASHION_MNIST = _IDX(
    "fashion-mnist",
    "FashionMNIST",
    {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    licence="MIT",
    source="https://github.com/zalandoresearch/fashion-mnist",
)
