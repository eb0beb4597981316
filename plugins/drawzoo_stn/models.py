"""The model of this plugin. Free of torch, so that listing it is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["DRAW_STN_MNIST"]

DRAW_STN_MNIST = ModelConfig(
    variant="draw-stn",
    dataset="mnist",
    reader=ComponentConfig(name="stn", config={"size": 5}),
    encoder=ComponentConfig(name="lstm", config={"units": 256}),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)
