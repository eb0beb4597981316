"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["MODEL2_MNIST"]

MODEL2_MNIST = ModelConfig(
    variant="model2",
    dataset="mnist",
    reader=ComponentConfig(name="attention", config={"size": 5}),
    encoder=ComponentConfig(
        name="supervised",
        config={
            "units": 256,
            "channels": [16, 64, 64],
            "features": 128,
            "classes": 10,
            "activation": "silu",
        },
    ),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)
