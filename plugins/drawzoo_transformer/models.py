"""The model of this plugin. Free of torch, so that listing it is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["DRAW_TRANSFORMER_MNIST"]

DRAW_TRANSFORMER_MNIST = ModelConfig(
    variant="draw-transformer",
    dataset="mnist",
    steps=10,
    reader=ComponentConfig(name="attention", config={"size": 5}),
    encoder=ComponentConfig(name="transformer", config={"units": 256, "heads": 4, "memory": 10}),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)
