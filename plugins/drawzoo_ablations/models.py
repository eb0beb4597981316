"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = ["DRAW_ERRORONLY_MNIST", "DRAW_T1_MNIST", "DRAW_T2_MNIST", "DRAW_T5_MNIST"]


def _ablated(variant: str, *, steps: int = 10, reader: str = "attention") -> ModelConfig:
    """`draw-mnist` but for what is named."""
    return ModelConfig(
        variant=variant,
        dataset="mnist",
        steps=steps,
        reader=ComponentConfig(name=reader, config={"size": 5}),
        encoder=ComponentConfig(name="lstm", config={"units": 256}),
        writer=ComponentConfig(name="attention", config={"size": 5}),
    )


DRAW_T1_MNIST = _ablated("draw-t1", steps=1)
DRAW_T2_MNIST = _ablated("draw-t2", steps=2)
DRAW_T5_MNIST = _ablated("draw-t5", steps=5)
DRAW_ERRORONLY_MNIST = _ablated("draw-erroronly", reader="attention-error")
