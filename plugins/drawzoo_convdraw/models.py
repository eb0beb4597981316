"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = [
    "CONVDRAW2_SVHN_10K",
    "CONVDRAW_BINARIZED_MNIST",
    "CONVDRAW_MNIST",
    "CONVDRAW_SVHN_10K",
]

BINARY = ComponentConfig(name="bernoulli")


def _levels(components: int) -> ComponentConfig:
    return ComponentConfig(name="logistic-mixture", config={"components": components})


def _convdraw(
    dataset: str,
    image: tuple[int, int, int],
    likelihood: ComponentConfig,
    *,
    steps: int,
    units: int,
    maps: int,
    layers: int = 1,
) -> ModelConfig:
    def part(**config: int) -> ComponentConfig:
        return ComponentConfig(name="convdraw", config=config)

    latent = part(maps=maps, stride=2, layers=layers)
    return ModelConfig(
        variant="convdraw" if layers == 1 else f"convdraw{layers}",
        dataset=dataset,
        steps=steps,
        image=image,
        reader=part(maps=units),
        encoder=part(units=units, layers=layers),
        latent=latent,
        decoder=part(units=units, layers=layers),
        writer=part(),
        likelihood=likelihood,
    )


GREY, COLOUR = (1, 28, 28), (3, 32, 32)
CONVDRAW_MNIST = _convdraw("mnist", GREY, BINARY, steps=8, units=32, maps=4)
CONVDRAW_BINARIZED_MNIST = _convdraw("binarized-mnist", GREY, BINARY, steps=8, units=32, maps=4)
CONVDRAW_SVHN_10K = _convdraw("svhn-10k", COLOUR, _levels(3), steps=8, units=64, maps=8)
CONVDRAW2_SVHN_10K = _convdraw("svhn-10k", COLOUR, _levels(1), steps=4, units=32, maps=8, layers=2)
