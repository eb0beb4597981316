"""A model's way into files."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from drawzoo.disk.atomic import write_atomic
from drawzoo.schema.base import encode
from drawzoo.schema.manifest import CONFIG, HALF, WEIGHTS
from drawzoo.schema.model import ModelConfig

__all__ = ["write_model"]


def write_model(
    folder: Path, config: ModelConfig, state: dict[str, Tensor], *, half: bool = False
) -> None:
    """Writes the configuration and the weights of a model, each whole or not at all.

    Arguments:
        folder: The folder to write to.
        config: The model's configuration.
        state: The model's tensors.
        half: Whether to store weights as float16, in half the bytes. Weights are rounded to
            11 significant bits, and read back as float32.

    Raises:
        OutputError: If the folder cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if half:
        tensors = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    # The same weights give the same bytes: safetensors writes several entries in any order.
    write_atomic(folder / WEIGHTS, save(tensors, HALF if half else {"format": "pt"}))
    write_atomic(folder / CONFIG, encode(config))
