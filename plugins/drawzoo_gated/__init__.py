"""A gated recurrent unit in the place of DRAW's LSTMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        "gated",
        "drawzoo_gated.encoder:GatedEncoder",
        config="drawzoo_gated.settings:GatedConfig",
        summary="a gated recurrent unit (GRU)",
    )


@hookimpl
def register_decoders(register: Registrar) -> None:
    register(
        "gated",
        "drawzoo_gated.decoder:GatedDecoder",
        config="drawzoo_gated.settings:GatedConfig",
        summary="a gated recurrent unit (GRU)",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    register(
        "draw-gru-mnist",
        "drawzoo_gated.models:DRAW_GRU_MNIST",
        summary="DRAW with GRUs for encoder and decoder",
        weights="drawzoo",
    )
