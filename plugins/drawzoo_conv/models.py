"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

import msgspec

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["MODEL1_BINARIZED_MNIST", "MODEL1_FASHION_MNIST", "MODEL1_MNIST", "MODEL3_MNIST"]

MODEL1_MNIST = ModelConfig(
    variant="model1",
    dataset="mnist",
    reader=ComponentConfig(name="attention", config={"size": 5}),
    encoder=ComponentConfig(
        name="conv",
        config={"units": 256, "channels": [32, 64, 64], "features": 512, "activation": "silu"},
    ),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)

MODEL1_BINARIZED_MNIST = msgspec.structs.replace(
    MODEL1_MNIST,
    dataset="binarized-mnist",
    steps=24,
    encoder=ComponentConfig(
        name="conv",
        config={"units": 512, "channels": [32, 64, 64], "features": 512, "activation": "silu"},
    ),
    decoder=ComponentConfig(name="lstm", config={"units": 512}),
)

MODEL1_FASHION_MNIST = msgspec.structs.replace(MODEL1_MNIST, dataset="fashion-mnist")

MODEL3_MNIST = ModelConfig(
    variant="model3",
    dataset="mnist",
    reader=ComponentConfig(name="none"),
    encoder=ComponentConfig(
        name="conv",
        config={"units": 256, "channels": [32, 64, 64], "features": 256, "activation": "silu"},
    ),
    writer=ComponentConfig(name="attention", config={"size": 5}),
)
