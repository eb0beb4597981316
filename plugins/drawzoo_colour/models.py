"""The models of this plugin. Free of torch, so that listing them is fast.

`svhn-10k` is small: its models have the sizes that two processor cores train in an evening. Those
of `svhn54` and `cifar10` are the paper's (Table 3).
"""

from __future__ import annotations

import msgspec

from drawzoo import ComponentConfig, ModelConfig

__all__ = [
    "DRAW_CIFAR10",
    "DRAW_FOLDER",
    "DRAW_SVHN",
    "DRAW_SVHN54",
    "DRAW_SVHN_10K",
    "MODEL1_SVHN_10K",
    "MODEL2_SVHN_10K",
    "MODEL3_SVHN_10K",
]


def _draw(
    dataset: str, *, steps: int, side: int, units: int, window: int, latent: int
) -> ModelConfig:
    lstm = ComponentConfig(name="lstm", config={"units": units})
    attention = ComponentConfig(name="attention", config={"size": window})
    return ModelConfig(
        variant="draw",
        dataset=dataset,
        steps=steps,
        image=(3, side, side),
        reader=attention,
        encoder=lstm,
        latent=ComponentConfig(name="gaussian", config={"size": latent}),
        decoder=lstm,
        writer=attention,
        likelihood=ComponentConfig(name="logistic-mixture"),
    )


DRAW_SVHN_10K = _draw("svhn-10k", steps=16, side=32, units=256, window=8, latent=48)
DRAW_FOLDER = _draw("folder", steps=16, side=32, units=256, window=8, latent=48)
DRAW_SVHN = _draw("svhn", steps=16, side=32, units=400, window=8, latent=100)
DRAW_SVHN54 = _draw("svhn54", steps=32, side=54, units=800, window=12, latent=100)
DRAW_CIFAR10 = _draw("cifar10", steps=64, side=32, units=400, window=5, latent=200)


def _conv(variant: str, name: str, **changes: ComponentConfig) -> ModelConfig:
    config = {"units": 256, "channels": [32, 64, 64], "features": 256}
    if name == "supervised":
        config["classes"] = 10
    encoder = ComponentConfig(name=name, config=config)
    return msgspec.structs.replace(DRAW_SVHN_10K, variant=variant, encoder=encoder, **changes)


MODEL1_SVHN_10K = _conv("model1", "conv")
MODEL2_SVHN_10K = _conv("model2", "supervised")
MODEL3_SVHN_10K = _conv("model3", "conv", reader=ComponentConfig(name="none"))
