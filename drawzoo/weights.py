"""A model in a folder: `config.json` and `model.safetensors`, nothing else, nothing executable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from drawzoo.config import MAX_JSON_BYTES, ModelConfig, decode, encode, parse_json
from drawzoo.errors import ConfigError, WeightsError
from drawzoo.files import write_atomic
from drawzoo.hub import MAX_WEIGHTS_BYTES
from drawzoo.manifest import CONFIG, WEIGHTS
from drawzoo.model import Draw
from drawzoo.zoo import build

__all__ = ["CONFIG", "WEIGHTS", "read_config", "read_model", "write_model"]


# How a file says that its floats are stored in 16 bits; models always compute in 32.
_HALF = {"format": "half"}


def write_model(
    folder: Path, config: ModelConfig, state: dict[str, Tensor], *, half: bool = False
) -> None:
    """Writes the configuration and the weights of a model, each whole or not at all.

    Arguments:
        folder: Where to.
        config: The model's configuration.
        state: The model's tensors.
        half: Whether to store weights as float16, in half the bytes. It rounds them to 11
            significant bits; they are read back as float32.

    Raises:
        OutputError: If the folder cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if half:
        tensors = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    # The same weights give the same bytes: safetensors writes several entries in any order.
    write_atomic(folder / WEIGHTS, save(tensors, _HALF if half else {"format": "pt"}))
    write_atomic(folder / CONFIG, encode(config))


def read_config(folder: Path) -> ModelConfig:
    """The configuration in a model's folder.

    Raises:
        WeightsError: If there is none.
        ConfigError: If it is not valid.
    """
    path = folder / CONFIG
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise WeightsError(
            f"no model in {folder}: cannot read {CONFIG} ({error.strerror})"
        ) from None
    return decode(raw, ModelConfig, str(path))


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
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            _compare(path, expected, file)
        tensors = load_file(path)
    except FileNotFoundError:
        raise WeightsError(f"no weights in {folder}: {WEIGHTS} is missing") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is damaged or no safetensors file ({error}); get it again"
        ) from None
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise WeightsError(f"{path}: {name} holds values that are not finite; get it again")
    # Building draws random weights, which must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        model = build(config)
    model.load_state_dict(tensors)
    return model.eval()


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


def _check_header(path: Path) -> None:
    """Refuses a header with a name in it twice, of which safetensors takes the last."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(min(size, MAX_JSON_BYTES + 1))
    try:
        parse_json(header, "header")
    except ConfigError as error:
        raise WeightsError(
            f"{path} is damaged or no safetensors file ({error}); get it again"
        ) from None


def _compare(path: Path, expected: dict[str, Tensor], file: Any) -> None:
    # A precision that the file does not declare as a whole is a mistake or worse.
    floats = "F16" if file.metadata() == _HALF else "F32"
    found = set(file.keys())
    if missing := sorted(expected.keys() - found):
        raise WeightsError(f"{path} does not fit {CONFIG}: it lacks {', '.join(missing[:3])}")
    if extra := sorted(found - expected.keys()):
        names = ", ".join(extra[:3])[:200]
        raise WeightsError(f"{path} does not fit {CONFIG}: {names} is not expected")
    for name, tensor in expected.items():
        part = file.get_slice(name)
        shape, kind = list(part.get_shape()), part.get_dtype()
        # Whole numbers are counters, such as those of batch normalisation.
        wanted = floats if tensor.is_floating_point() else "I64"
        if shape != list(tensor.shape) or kind != wanted:
            raise WeightsError(
                f"{path} does not fit {CONFIG}: {name} is {kind} {shape}, "
                f"expected {wanted} {list(tensor.shape)}"
            )
