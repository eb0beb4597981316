"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["DRAW_MNIST"]

DRAW_MNIST = ModelConfig(
    variant="draw",
    dataset="mnist",
    reader=ComponentConfig(name="attention", config={"size": 5}),
    encoder=ComponentConfig(name="lstm", config={"units": 256}),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)
