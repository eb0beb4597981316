"""The configuration of a model: `config.json`. Free of torch.

A model is its `ModelConfig`: the file beside the weights holds the configuration alone, and loading
needs nothing else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from drawzoo.schema.base import Config, DistributionName, Name, Size

__all__ = ["COMPONENTS", "ComponentConfig", "ModelConfig", "StepCount"]

COMPONENTS = ("reader", "encoder", "latent", "decoder", "writer", "likelihood")
"""The kinds of components, each a field of a model's configuration."""

StepCount = Annotated[int, msgspec.Meta(ge=1, le=4_096)]
"""A number of steps T."""


class ComponentConfig(Config, frozen=True, kw_only=True):
    """A component: its registered name, the distribution that gives it, and its own settings."""

    name: Name
    plugin: DistributionName | None = None
    config: dict[str, Any] = {}


class ModelConfig(Config, frozen=True, kw_only=True):
    """Everything that defines a model, except the weights.

    Attributes:
        variant: The architecture's name; with `dataset` it names the model.
        dataset: The dataset it is trained on.
        steps: T, the number of steps (the paper's glimpses).
        image: (C, H, W), in pixels.
        reader: The read operation.
        encoder: The encoder network.
        latent: Posterior and prior of each step's latent code z_t.
        decoder: The decoder network.
        writer: The write operation.
        likelihood: p(x | c_T).
        format: Version of this format; files of format 1 are read by `drawzoo.schema.format1`.
    """

    variant: Name
    dataset: Name = "mnist"
    steps: StepCount = 10
    image: tuple[Size, Size, Size] = (1, 28, 28)
    reader: ComponentConfig
    encoder: ComponentConfig
    latent: ComponentConfig = ComponentConfig(name="gaussian")
    decoder: ComponentConfig = ComponentConfig(name="lstm")
    writer: ComponentConfig
    likelihood: ComponentConfig = ComponentConfig(name="bernoulli")
    format: Literal[2] = 2

    @property
    def name(self) -> str:
        """`<variant>-<dataset>`, the name in the registry."""
        return f"{self.variant}-{self.dataset}"
