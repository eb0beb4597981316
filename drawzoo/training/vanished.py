"""Optimisers' states without subnormal numbers, which make a processor slow."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["VANISHED", "without_subnormals"]

VANISHED = 1e-30
"""Elements of a state that count as 0, so that products of two weights and one of them are normal.

The mean gradient of a unit that has died halves every few steps, and arithmetic with the smallest
numbers there are, the subnormal ones, takes a hundred times as long. In Adam's mean the smallest of
them never becomes 0, since rounding gives it back.
"""

Optimizer = TypeVar("Optimizer", bound=torch.optim.Optimizer)


def without_subnormals(optimizer: Optimizer) -> Optimizer:
    """The same optimiser, whose state on a CPU loses after each step what has vanished."""
    optimizer.register_step_post_hook(_forget)
    return optimizer


def _forget(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    for state in optimizer.state.values():
        for value in state.values():
            # A GPU takes no longer for subnormal numbers; counts of steps have no dimension.
            if isinstance(value, Tensor) and value.dim() and value.device.type == "cpu":
                torch.hardshrink(value, VANISHED, out=value)
