"""The first 256 test images of MNIST, which ship: enough to check a figure without a download."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from drawzoo.data.images import Images

__all__ = ["MNIST_SAMPLE"]


class _MNISTSample:
    splits = ("test",)

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        tensors = load_file(Path(__file__).with_name("mnist_sample.safetensors"))
        return Images(tensors["pixels"], tensors["labels"].to(torch.int64), binarize=True)


MNIST_SAMPLE = _MNISTSample()
