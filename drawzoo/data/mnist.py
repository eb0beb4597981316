"""MNIST, read by torchvision.

References:
    | Gradient-based learning applied to document recognition (LeCun et al., 1998)
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import torch
from torchvision.datasets import MNIST as TorchvisionMNIST

from drawzoo.data.images import Images
from drawzoo.errors import DataError

__all__ = ["MNIST"]

# MD5 of the unpacked files. torchvision checks the packed ones as it downloads them, and after
# that only that the files are there.
_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10_000),
}


class _MNIST:
    splits = ("train", "test")

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        folder = root / "MNIST" / "raw"
        try:
            data = TorchvisionMNIST(str(root), train=split == "train", download=download)
        except Exception as error:
            # torchvision raises RuntimeError, ValueError, OSError and AssertionError here.
            reason = (str(error).splitlines() or [type(error).__name__])[-1]
            missing = [name for name in _MD5 if not (folder / name).exists()]
            for made in (folder, folder.parent, root):
                # torchvision makes the folders before it knows whether there is a network.
                with contextlib.suppress(OSError):
                    made.rmdir()
            if missing:
                raise DataError(
                    f"mnist: no {split} files in {folder}: {missing[0]} is missing and cannot be "
                    f"had ({reason}); name the folder that holds MNIST/raw with --data or "
                    "DRAWZOO_DATA"
                ) from error
            raise DataError(
                f"mnist: the {split} files in {folder} are damaged ({reason}); "
                "delete them and try again"
            ) from error
        images, labels, count = _FILES[split]
        if len(data.data) != len(data.targets) or data.data.shape[1:] != (28, 28):
            raise DataError(
                f"mnist: the {split} images and labels in {folder} do not belong together"
            )
        # Files of another length are somebody's own subset; those of the right one must be MNIST.
        if len(data.data) == count:
            for name in (images, labels):
                if hashlib.md5((folder / name).read_bytes()).hexdigest() != _MD5[name]:
                    raise DataError(
                        f"mnist: {folder / name} is damaged (its MD5 is not the published one); "
                        "delete it and try again"
                    )
        return Images(data.data.unsqueeze(1), data.targets.to(torch.int64), binarize=True)


MNIST = _MNIST()
