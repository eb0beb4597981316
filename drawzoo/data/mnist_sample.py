"""256 test images of both MNISTs, which ship: they check a figure without a download.

They are `Images.subset(256)` of the test splits (`benchmarks/samples.py` makes the files).
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from drawzoo.data.images import Images

__all__ = ["BINARIZED_MNIST_SAMPLE", "MNIST_SAMPLE"]


class _Sample:
    splits = ("test",)

    def __init__(self, file: str, *, binarize: bool) -> None:
        self.path, self.binarize = Path(__file__).with_name(file), binarize

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        tensors = load_file(self.path)
        labels = tensors["labels"].to(torch.int64) if "labels" in tensors else None
        return Images(tensors["pixels"], labels, self.binarize)


MNIST_SAMPLE = _Sample("mnist_sample.safetensors", binarize=True)
BINARIZED_MNIST_SAMPLE = _Sample("binarized_mnist_sample.safetensors", binarize=False)
