"""What a run has left in its folder."""

import itertools

from safetensors.torch import load_file

from drawzoo.store.weights import WEIGHTS
from drawzoo.training.checkpoint import CHECKPOINT
from drawzoo.training.log import read_log

TINY = (
    "dataset=synthetic",
    "steps=2",
    "latent.size=2",
    "decoder.units=8",
    "encoder.units=8",
    "batch_size=16",
)
TINY_RUN = ("draw-mnist", *itertools.chain(*(("--set", item) for item in TINY)))
"""Arguments of `drawzoo train` for a small run."""


def state(folder):
    """All tensors of a run, exactly: the weights as they are used, and the checkpoint's."""
    files = {name: load_file(folder / name) for name in (WEIGHTS, CHECKPOINT)}
    return {
        (file, name): (tensor.dtype, tensor.shape, tensor.numpy().tobytes())
        for file, tensors in files.items()
        for name, tensor in tensors.items()
    }


def steps_of(folder):
    return [record["step"] for record in read_log(folder)]
