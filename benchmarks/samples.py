"""Makes the 256 test images of both MNISTs that ship: `python benchmarks/samples.py DATA`."""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import save_file

import drawzoo
from drawzoo.data.images import load_dataset

NUM = 256
FOLDER = Path(drawzoo.__file__).parent / "data"

for name in ("mnist", "binarized-mnist"):
    images = load_dataset(name, "test", Path(sys.argv[1]), download=False).subset(NUM)
    tensors = {"pixels": images.pixels}
    if images.labels is not None:
        tensors["labels"] = images.labels.to(images.pixels.dtype)
    save_file(tensors, FOLDER / f"{name.replace('-', '_')}_sample.safetensors")
