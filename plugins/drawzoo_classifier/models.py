"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["CLUTTERED_CLASSIFIER", "CLUTTERED_CLASSIFIER_PLAIN"]


def _classifier(variant: str, encoder: str) -> ModelConfig:
    return ModelConfig(
        variant=variant,
        dataset="cluttered-mnist",
        image=(1, 100, 100),
        steps=1,
        reader=ComponentConfig(name="none"),
        encoder=ComponentConfig(name=encoder),
        latent=ComponentConfig(name="gaussian", config={"size": 1}),
        decoder=ComponentConfig(name="lstm", config={"units": 8}),
        writer=ComponentConfig(name="attention", config={"size": 1}),
        likelihood=ComponentConfig(name="squares"),
    )


CLUTTERED_CLASSIFIER = _classifier("classifier", "glimpses")
CLUTTERED_CLASSIFIER_PLAIN = _classifier("plain", "convolutions")
