"""Optimisers: what `register_optimizers` registers, and the core's.

An optimiser is a function of the model and its training's settings. It may be made of several of
torch's, each with parameters of its own; their learning rates all follow one schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import nn

from drawzoo.errors import PluginError
from drawzoo.registry.loader import registry
from drawzoo.schema.training import TrainingConfig
from drawzoo.training.muon import Muon, matrices
from drawzoo.training.vanished import without_subnormals

__all__ = ["MakeOptimizers", "adam", "adamw", "make_optimizers", "muon"]


class MakeOptimizers(Protocol):
    """What `register_optimizers` registers."""

    def __call__(
        self, model: nn.Module, training: TrainingConfig
    ) -> Sequence[torch.optim.Optimizer]:
        """The optimisers of a model's parameters, no parameter in two.

        The optimisers' learning rates apply after the warm-up, and their state is a tensor or
        several of each parameter, so that a run can be resumed.
        """
        ...


def adam(model: nn.Module, training: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Adam (Kingma and Ba, 2015); its weight decay is part of the gradient."""
    return [_made(torch.optim.Adam, model.parameters(), training, training.weight_decay)]


def adamw(model: nn.Module, training: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""
    return [_made(torch.optim.AdamW, model.parameters(), training, training.weight_decay)]


def muon(model: nn.Module, training: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Muon on the matrices that suit it, with all the weight decay, and Adam on the rest."""
    suited = matrices(model)
    rest = [parameter for parameter in model.parameters() if parameter not in suited]
    optimizers: list[torch.optim.Optimizer] = []
    # torch's optimisers refuse to be of no parameters, and a plugin's model may have only one kind.
    if suited:
        rate, decay = training.matrix_learning_rate, training.weight_decay
        optimizers.append(Muon(suited, rate, weight_decay=decay))
    if rest:
        optimizers.append(_made(torch.optim.Adam, rest, training, 0.0))
    return optimizers


def _made(
    kind: type[torch.optim.Adam],
    parameters: Iterable[nn.Parameter],
    training: TrainingConfig,
    weight_decay: float,
) -> torch.optim.Adam:
    rate = training.learning_rate
    return without_subnormals(kind(parameters, lr=rate, weight_decay=weight_decay, fused=True))


def make_optimizers(model: nn.Module, training: TrainingConfig) -> Sequence[torch.optim.Optimizer]:
    """The optimisers that the settings name, of a model's parameters.

    Raises:
        UnknownNameError: If there are none of that name.
        PluginError: If they cannot be made.
    """
    entry = registry().find("optimizer", training.optimizer)
    make: MakeOptimizers = entry.load()
    try:
        optimizers = make(model, training)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
    except Exception as error:
        raise PluginError(
            f"optimizer {entry.qualified} cannot be made: {type(error).__name__}: {error}"
        ) from error
    return optimizers
