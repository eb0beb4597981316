"""An encoder that attends over past glimpses, in the place of DRAW's LSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        "transformer",
        "drawzoo_transformer.encoder:TransformerEncoder",
        config="drawzoo_transformer.settings:TransformerConfig",
        summary="attention over the glimpses so far",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    register(
        "draw-transformer-mnist",
        "drawzoo_transformer.models:DRAW_TRANSFORMER_MNIST",
        summary="DRAW whose encoder attends over the glimpses so far",
        weights="drawzoo",
    )
