"""A model in a folder: `config.json` and `model.safetensors`, nothing else, nothing executable."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from drawzoo.engine.draw import Draw
from drawzoo.errors import ConfigError, WeightsError
from drawzoo.registry.build import build
from drawzoo.schema import format1
from drawzoo.schema.manifest import CONFIG, WEIGHTS
from drawzoo.schema.model import ModelConfig
from drawzoo.store.validate import (
    MAX_WEIGHTS_BYTES,
    Shape,
    check_finite,
    check_tensors,
    read_config,
    read_header,
)

__all__ = ["CONFIG", "WEIGHTS", "read_config", "read_model", "weights_bytes"]


def read_model(folder: Path) -> Draw:
    """The model in a folder, in evaluation mode.

    Nothing is allocated before the shapes in the weights' header agree with the configuration.

    Raises:
        WeightsError: If the weights are missing, damaged, not finite, or do not fit.
        ConfigError: If the configuration is not valid.
        PluginError: If a component's plugin is not installed.
    """
    config = read_config(folder)
    path = folder / WEIGHTS
    expected = _expected(folder / CONFIG, config)
    header = read_header(path)
    shapes = {n: Shape(tuple(t.shape), t.is_floating_point()) for n, t in expected.items()}
    check_tensors(path, header, shapes)
    check_finite(path, header)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is damaged or no safetensors file ({error}); get it again"
        ) from None
    # Building draws random weights; the caller's random numbers must stay as they were.
    with torch.random.fork_rng(devices=[]):
        model = build(config)
    names = format1.tensor_names(tensors)
    model.load_state_dict({names[name]: tensor for name, tensor in tensors.items()})
    return model.eval()


def weights_bytes(folder: Path) -> int:
    """The bytes of the tensors that belong to the configuration in a model's folder.

    Raises:
        ConfigError: If the configuration is not valid or asks for too much.
        PluginError: If a component's plugin is not installed.
    """
    expected = _expected(folder / CONFIG, read_config(folder))
    return sum(tensor.nbytes for tensor in expected.values())


def _expected(path: Path, config: ModelConfig) -> dict[str, Tensor]:
    """The tensors that belong to a configuration, without their memory."""
    with torch.device("meta"):
        expected = build(config).state_dict()
    size = sum(tensor.nbytes for tensor in expected.values())
    if size > MAX_WEIGHTS_BYTES:
        raise ConfigError(
            f"{path}: {size:,} bytes of weights are more than the {MAX_WEIGHTS_BYTES:,} that are "
            "read; choose smaller sizes"
        )
    return expected
