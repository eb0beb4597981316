"""Checkpoints: all that a run needs to go on, in one file that is replaced at once.

There is no state of random generators to keep: every step's randomness comes from the run's seed
and the step's number.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from drawzoo.disk.atomic import check_regular, write_atomic
from drawzoo.errors import ConfigError, TrainingError
from drawzoo.schema import format1
from drawzoo.schema.base import decode, encode, to_dict
from drawzoo.schema.training import CHECKPOINT, RunConfig

__all__ = [
    "CHECKPOINT",
    "Best",
    "Checkpoint",
    "check_same",
    "optimizer_tensors",
    "read_checkpoint",
    "restore_optimizers",
    "write_checkpoint",
]


class Best(NamedTuple):
    """The weights with the best bound on validation so far."""

    step: int
    """Optimiser steps done."""
    nats: float
    """The bound, per image."""
    weights: dict[str, Tensor]


class Checkpoint(NamedTuple):
    """The state of a run between two steps."""

    config: RunConfig
    step: int
    """Optimiser steps done."""
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    """`<parameter index>.<name>` → state, the parameters of all optimisers one after another."""
    average: dict[str, Tensor]
    """The moving average of the weights; empty without one."""
    best: Best | None = None
    """None before the first validation, and without."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replaces the checkpoint of a run's folder, whole or not at all."""
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part, tensors in (
            ("model", checkpoint.model),
            ("optimizer", checkpoint.optimizer),
            ("average", checkpoint.average),
            ("best", checkpoint.best.weights if checkpoint.best else {}),
        )
        for name, tensor in tensors.items()
    }
    metadata = {"step": str(checkpoint.step), "config": encode(checkpoint.config).decode()}
    if checkpoint.best:
        metadata |= {"best_step": str(checkpoint.best.step), "best_nats": str(checkpoint.best.nats)}
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
    parts: dict[str, dict[str, Tensor]] = {
        part: {} for part in ("model", "optimizer", "average", "best")
    }
    try:
        check_regular(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                part, _, name = key.partition("/")
                # A copy, as Windows replaces no file that is mapped into memory.
                parts[part][name] = file.get_tensor(key).clone()
        for part in ("model", "average"):
            names = format1.tensor_names(parts[part])
            parts[part] = {names[name]: tensor for name, tensor in parts[part].items()}
        config = decode(metadata["config"].encode(), RunConfig, str(path))
        if (step := int(metadata["step"])) < 0:
            raise ValueError(f"step {step}")
        best, weights = None, parts.pop("best")
        if "best_step" in metadata:
            best = Best(int(metadata["best_step"]), float(metadata["best_nats"]), weights)
            if not (0 < best.step <= step and math.isfinite(best.nats)):
                raise ValueError(f"{best.nats} nats at step {best.step} of {step}")
        return Checkpoint(config, step, **parts, best=best)
    except (SafetensorError, OSError, KeyError, ValueError, ConfigError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(
            f"{path} is no checkpoint of drawzoo or damaged ({reason}); start anew elsewhere"
        ) from error


def check_same(folder: Path, saved: RunConfig, asked: RunConfig) -> None:
    """Raises `ConfigError` naming the settings in which a run to resume differs from one asked.

    Epochs may be added after a restart: up to the step of the saved run, both runs are the same.
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
            longer = f", add epochs with --epochs {epochs} --set 'restarts=[{restarts}]',"
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


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The state of optimisers as named tensors; parameters are counted through all of them."""
    return {
        f"{first + i}.{key}": value
        for optimizer, first in zip(optimizers, _firsts(optimizers), strict=True)
        for i, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }


def restore_optimizers(
    optimizers: Sequence[torch.optim.Optimizer], tensors: dict[str, Tensor]
) -> None:
    """The inverse of `optimizer_tensors`; settings stay as they are.

    Optimisers take any state, and fail at the step or worse. What they keep of each parameter is
    therefore seen by a step on zero gradients. It may change the parameters: load them afterwards.

    Raises:
        ValueError: If a parameter's state is not of the names, shapes and types that it should be.
    """
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        states.setdefault(int(index), {})[name] = value
    for optimizer, first in zip(optimizers, _firsts(optimizers), strict=True):
        _step_on_zeros(optimizer)
        saved = optimizer.state_dict()
        mine: dict[int, dict[str, Tensor]] = {}
        for i, known in saved["state"].items():
            if (found := states.pop(first + i, None)) is not None:
                if _kinds(found) != _kinds(known):
                    raise ValueError(
                        f"the optimiser's state of parameter {first + i} is {_kinds(found)} in the "
                        f"place of {_kinds(known)}"
                    )
                mine[i] = found
        optimizer.load_state_dict({"state": mine, "param_groups": saved["param_groups"]})
    if states:
        raise ValueError(f"there is no parameter {min(states)} for its state")


def _firsts(optimizers: Sequence[torch.optim.Optimizer]) -> list[int]:
    """The number of each optimiser's first parameter."""
    sizes = [sum(len(g["params"]) for g in optimizer.param_groups) for optimizer in optimizers]
    return [0, *itertools.accumulate(sizes[:-1])]


def _step_on_zeros(optimizer: torch.optim.Optimizer) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()


def _kinds(state: dict[str, Any]) -> dict[str, str]:
    return {
        name: f"{value.dtype} {list(value.shape)}".removeprefix("torch.")
        for name, value in sorted(state.items())
        if isinstance(value, Tensor)
    }
