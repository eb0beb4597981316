"""DRAW with something taken away: fewer steps, and a read that sees only the error image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo.registry import Registrar


@hookimpl
def register_readers(register: Registrar) -> None:
    register(
        "attention-error",
        "drawzoo_ablations.reader:ErrorReader",
        summary="an N × N patch of the error image alone",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    at = "drawzoo_ablations.models"
    register("draw-t1-mnist", f"{at}:DRAW_T1_MNIST", summary="DRAW in one step")
    register("draw-t2-mnist", f"{at}:DRAW_T2_MNIST", summary="DRAW in two steps")
    register("draw-t5-mnist", f"{at}:DRAW_T5_MNIST", summary="DRAW in five steps")
    register(
        "draw-erroronly-mnist",
        f"{at}:DRAW_ERRORONLY_MNIST",
        summary="DRAW that reads the error image, and never the image itself",
    )
