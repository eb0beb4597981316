"""The model of this plugin. Free of torch, so that listing it is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["DRAW_GRU_MNIST"]

DRAW_GRU_MNIST = ModelConfig(
    variant="draw-gru",
    dataset="mnist",
    reader=ComponentConfig(name="attention", config={"size": 5}),
    encoder=ComponentConfig(name="gated", config={"units": 256}),
    decoder=ComponentConfig(name="gated", config={"units": 256}),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)
