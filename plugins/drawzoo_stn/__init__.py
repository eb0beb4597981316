"""A spatial transformer for a read operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_readers(register: Registrar) -> None:
    register(
        "stn",
        "drawzoo_stn.reader:SpatialTransformerReader",
        config="drawzoo_stn.settings:CropConfig",
        summary="an N × N crop, sampled bilinearly",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    register(
        "draw-stn-mnist",
        "drawzoo_stn.models:DRAW_STN_MNIST",
        summary="DRAW that reads through a spatial transformer",
        weights="drawzoo",
    )
