"""The filters through which an encoder first sees an image."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from drawzoo import ConfigError, Draw

__all__ = ["Filters", "first_filters"]


class Filters(NamedTuple):
    """The filters of one convolution."""

    layer: str
    """The name of the convolution in the model."""
    weight: Tensor
    """[outputs, inputs, height, width]."""


def first_filters(model: Draw) -> Filters:
    """The filters of the encoder's first convolution, whatever the encoder is.

    Raises:
        ConfigError: If it has none.
    """
    for name, module in model.encoder.named_modules(prefix="encoder"):
        if isinstance(module, nn.Conv2d):
            return Filters(name, module.weight.detach())
    raise ConfigError(
        f"{model.config.name} has no filters: there is no convolution in its encoder, "
        f"{model.config.encoder.name}"
    )
