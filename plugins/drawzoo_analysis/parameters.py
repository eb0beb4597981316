"""Where a model's parameters are, how large they are, and what a hyperparameter does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drawzoo import ConfigError, Draw, ModelConfig
from drawzoo.commands import (
    COMPONENTS,
    HUB,
    LOCAL,
    BoundFigure,
    find,
    nearest,
    pinned,
    read_figures,
    registry,
    to_dict,
)

__all__ = ["Part", "Versus", "bounds_versus", "parts", "published_bound"]


ORDER = ("initial_canvas", *COMPONENTS)
"""The parts of a model as a drawing goes through them."""


class Part(NamedTuple):
    """One part of a model, such as its encoder."""

    name: str
    parameters: int
    norm: float
    """The Euclidean norm of all its parameters together."""
    rms: float
    """The root mean square of a parameter, which can be compared between parts."""
    spectra: dict[str, Tensor]
    """The singular values of each weight matrix, the largest first; filters are flattened."""


class Versus(NamedTuple):
    """How the bound goes with a setting."""

    key: str
    values: list[Any]
    """The setting of each model."""
    figures: list[BoundFigure]
    """The published bound of each."""
    also_differ: dict[str, list[Any]]
    """Other settings in which the models differ, with the value of each model."""


def parts(model: Draw) -> list[Part]:
    """The parts of a model in the order in which they are used."""
    found = []
    groups: dict[str, dict[str, Tensor]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(name.partition(".")[0], {})[name] = parameter.detach()
    for part, tensors in sorted(groups.items(), key=lambda group: ORDER.index(group[0])):
        count = sum(tensor.numel() for tensor in tensors.values())
        norm = sum(tensor.double().square().sum().item() for tensor in tensors.values()) ** 0.5
        spectra = {
            name: torch.linalg.svdvals(tensor.flatten(1).double())
            for name, tensor in tensors.items()
            if name.endswith("weight") and tensor.dim() > 1
        }
        found.append(Part(part, count, norm, norm / count**0.5, spectra))
    return found


def bounds_versus(key: str, configs: dict[str, ModelConfig]) -> Versus:
    """The published bounds of models against one of their settings.

    Arguments:
        key: The setting, such as `steps`, or `encoder.units` of a component.
        configs: The complete configuration of each model, by its name.

    Raises:
        ConfigError: If there is no such setting, only one value of it, or no published bound.
    """
    settings = {name: _flat(to_dict(config)) for name, config in configs.items()}
    known = {setting for values in settings.values() for setting in values}
    if key not in known:
        raise ConfigError(f"--versus {key}: there is no setting {key!r}{nearest(key, known)}")
    differing = {
        setting: [values.get(setting) for values in settings.values()] for setting in sorted(known)
    }
    differing = {setting: values for setting, values in differing.items() if _varied(values)}
    if key not in differing:
        raise ConfigError(f"--versus {key}: it is the same in all models named")
    figures = []
    for name, config in configs.items():
        if (figure := published_bound(name, config.dataset)) is None:
            raise ConfigError(
                f"{name} has no published bound on {config.dataset} test; name published models "
                "(drawzoo list)"
            )
        figures.append(figure)
    values = differing.pop(key)
    # The name of a variant says nothing by itself.
    differing.pop("variant", None)
    return Versus(key, values, figures, differing)


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key; a component's own without the `config` between."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, prefix if key == "config" else f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _varied(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values)


def published_bound(name: str, dataset: str) -> BoundFigure | None:
    """The bound of a model's published weights on a dataset's split `test`; None without one."""
    # A folder may be called like a published model, and hold another.
    if name.startswith((LOCAL, HUB)):
        return None
    published = pinned(registry().find("model", name))
    figure: BoundFigure | None = None
    if published:
        figure = find(read_figures(published.figures), "bound", dataset)
    return figure
