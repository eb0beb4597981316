"""What a run has left in its folder."""

from safetensors.torch import load_file

from drawzoo.store.weights import WEIGHTS
from drawzoo.training.checkpoint import CHECKPOINT
from drawzoo.training.log import read_log


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
