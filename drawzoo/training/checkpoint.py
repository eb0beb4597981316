"""Checkpoints: all that a run needs to go on, in one file that is replaced at once.

There is no state of random generators to keep: every step's randomness comes from the run's seed
and the step's number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from drawzoo.config import decode, encode, to_dict
from drawzoo.errors import ConfigError, TrainingError
from drawzoo.files import check_regular, write_atomic
from drawzoo.training.config import CHECKPOINT, RunConfig

__all__ = [
    "CHECKPOINT",
    "Checkpoint",
    "check_same",
    "optimizer_tensors",
    "read_checkpoint",
    "restore_optimizer",
    "write_checkpoint",
]


class Checkpoint(NamedTuple):
    """The state of a run between two steps."""

    config: RunConfig
    step: int
    """Optimiser steps done."""
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    """`<parameter index>.<name>` → state, as in the optimiser's `state_dict`."""
    average: dict[str, Tensor]
    """The moving average of the weights; empty without one."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replaces the checkpoint of a run's folder, whole or not at all."""
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part in ("model", "optimizer", "average")
        for name, tensor in getattr(checkpoint, part).items()
    }
    metadata = {"step": str(checkpoint.step), "config": encode(checkpoint.config).decode()}
    write_atomic(folder / CHECKPOINT, _ordered(save(tensors, metadata)))


def _ordered(raw: bytes) -> bytes:
    """The same file with its metadata in order: safetensors puts it in another at every call."""
    end = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + raw[end:]


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in a run's folder, None if there is none.

    Raises:
        TrainingError: If it is damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    try:
        check_regular(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                part, _, name = key.partition("/")
                parts[part][name] = file.get_tensor(key)
        config = decode(metadata["config"].encode(), RunConfig, str(path))
        if (step := int(metadata["step"])) < 0:
            raise ValueError(f"step {step}")
        return Checkpoint(config, step, **parts)
    except (SafetensorError, OSError, KeyError, ValueError, ConfigError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(
            f"{path} is no checkpoint of drawzoo or damaged ({reason}); start anew elsewhere"
        ) from error


def check_same(folder: Path, saved: RunConfig, asked: RunConfig) -> None:
    """Raises `ConfigError` naming the settings in which a run to resume differs from one asked.

    Passes may be added after a restart: to where the saved run is, both are the same.
    """
    if asked.model == saved.model and asked.training.lengthens(saved.training):
        return
    differences = [
        f"{key} is {mine!r}, asked for {theirs!r}"
        for key, mine, theirs in _differences(to_dict(saved), to_dict(asked))
    ]
    if differences:
        longer = ""
        if (epochs := asked.training.epochs) > saved.training.epochs:
            restarts = ",".join(map(str, (*saved.training.restarts, saved.training.epochs)))
            longer = f", add passes with --epochs {epochs} --set 'restarts=[{restarts}]',"
        raise ConfigError(
            f"the run in {folder} is another one: {'; '.join(differences[:3])}; resume it with its "
            f"own settings{longer} or start in another folder"
        )


def _differences(saved: Any, asked: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(saved, dict) and isinstance(asked, dict):
        found = []
        for name in sorted(saved.keys() | asked.keys()):
            below = f"{key}.{name}" if key else name
            found += _differences(saved.get(name), asked.get(name), below)
        return found
    return [] if saved == asked else [(key, saved, asked)]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as named tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, values in state.items() for key, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; settings stay as they are.

    Raises:
        ValueError: If a parameter lacks a tensor of its state, or has one too many.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    # Optimisers take any state, and fail at the step. Adam's is the same for all parameters.
    known = {"step", "exp_avg", "exp_avg_sq"}
    for number, values in state.items():
        if values.keys() != known:
            raise ValueError(f"the optimiser's state of parameter {number} is {sorted(values)}")
    optimizer.load_state_dict({"state": state, "param_groups": groups})
