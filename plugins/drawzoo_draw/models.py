"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

import msgspec

from drawzoo import ComponentConfig, ModelConfig

__all__ = [
    "DRAW_BINARIZED_MNIST",
    "DRAW_FASHION_MNIST",
    "DRAW_MNIST",
    "DRAW_MULTI_MNIST",
]

DRAW_MNIST = ModelConfig(
    variant="draw",
    dataset="mnist",
    reader=ComponentConfig(name="attention", config={"size": 5}),
    encoder=ComponentConfig(name="lstm", config={"units": 256}),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)

DRAW_FASHION_MNIST = msgspec.structs.replace(DRAW_MNIST, dataset="fashion-mnist")

DRAW_BINARIZED_MNIST = ModelConfig(
    variant="draw",
    dataset="binarized-mnist",
    steps=32,
    reader=ComponentConfig(name="attention", config={"size": 5}),
    encoder=ComponentConfig(name="lstm", config={"units": 384}),
    decoder=ComponentConfig(name="lstm", config={"units": 384}),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)

DRAW_MULTI_MNIST = msgspec.structs.replace(
    DRAW_MNIST, dataset="multi-mnist", steps=20, image=(1, 60, 60)
)
