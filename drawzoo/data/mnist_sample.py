"""256 test images of both MNISTs, which ship: they check a figure without a download.

They are `Images.subset(256)` of the test splits (`benchmarks/samples.py` makes the files).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drawzoo.data.dataset import Dataset, Support
from drawzoo.disk.atomic import check_regular
from drawzoo.errors import DataError

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["BINARIZED_MNIST_SAMPLE", "MNIST_SAMPLE"]


class _Sample(Dataset):
    splits = ("test",)
    licence = "CC BY-SA 3.0"
    source = "http://yann.lecun.com/exdb/mnist/"

    def __init__(self, file: str, support: Support) -> None:
        self.path, self.support = Path(__file__).with_name(file), support

    def files(self, root: Path, split: str) -> list[Path]:
        return []  # it ships

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from drawzoo.data.images import Images

        try:
            check_regular(self.path)
            tensors = load_file(self.path)
            pixels = tensors["pixels"]
        except (OSError, SafetensorError, KeyError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"{self.path}, which ships with drawzoo, is damaged ({reason}); reinstall drawzoo"
            ) from None
        labels = tensors["labels"].to(torch.int64) if "labels" in tensors else None
        return Images(pixels, labels, self.support is Support.AFRESH)


MNIST_SAMPLE = _Sample("mnist_sample.safetensors", Support.AFRESH)
BINARIZED_MNIST_SAMPLE = _Sample("binarized_mnist_sample.safetensors", Support.BINARY)
