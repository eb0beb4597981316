"""The models of this plugin. Free of torch, so that listing them is fast."""

from __future__ import annotations

from drawzoo import ComponentConfig, ModelConfig

__all__ = [
    "DRAW_ERRORONLY_MNIST",
    "DRAW_NOATTENTION_MNIST",
    "DRAW_NOPRIVY_MNIST",
    "DRAW_T1_MNIST",
    "DRAW_T2_MNIST",
    "DRAW_T5_MNIST",
]

_ATTENTION = ComponentConfig(name="attention", config={"size": 5})
_WHOLE = ComponentConfig(name="whole")


def _ablated(
    variant: str,
    *,
    steps: int = 10,
    reader: ComponentConfig = _ATTENTION,
    encoder: str = "lstm",
    writer: ComponentConfig = _ATTENTION,
) -> ModelConfig:
    """`draw-mnist` but for what is named."""
    return ModelConfig(
        variant=variant,
        dataset="mnist",
        steps=steps,
        reader=reader,
        encoder=ComponentConfig(name=encoder, config={"units": 256}),
        writer=writer,
    )


DRAW_T1_MNIST = _ablated("draw-t1", steps=1)
DRAW_T2_MNIST = _ablated("draw-t2", steps=2)
DRAW_T5_MNIST = _ablated("draw-t5", steps=5)
DRAW_NOATTENTION_MNIST = _ablated("draw-noattention", reader=_WHOLE, writer=_WHOLE)
DRAW_NOPRIVY_MNIST = _ablated("draw-noprivy", encoder="lstm-private")
DRAW_ERRORONLY_MNIST = _ablated(
    "draw-erroronly", reader=ComponentConfig(name="attention-error", config={"size": 5})
)
