"""DRAW with something taken away: steps, attention, h_dec, or the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        "lstm-private",
        "drawzoo_ablations.encoder:PrivateEncoder",
        config="drawzoo_draw.settings:LSTMConfig",
        summary="the paper's encoder without the decoder's output",
    )


@hookimpl
def register_readers(register: Registrar) -> None:
    register(
        "attention-error",
        "drawzoo_ablations.reader:ErrorReader",
        config="drawzoo_draw.settings:AttentionConfig",
        summary="an N × N patch of the error image alone",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    at = "drawzoo_ablations.models"
    register("draw-t1-mnist", f"{at}:DRAW_T1_MNIST", summary="DRAW in one step", weights="drawzoo")
    register("draw-t2-mnist", f"{at}:DRAW_T2_MNIST", summary="DRAW in two steps", weights="drawzoo")
    register(
        "draw-t5-mnist", f"{at}:DRAW_T5_MNIST", summary="DRAW in five steps", weights="drawzoo"
    )
    register(
        "draw-noattention-mnist",
        f"{at}:DRAW_NOATTENTION_MNIST",
        summary="DRAW without attention: it reads and writes the whole canvas",
        weights="drawzoo",
    )
    register(
        "draw-noprivy-mnist",
        f"{at}:DRAW_NOPRIVY_MNIST",
        summary="DRAW whose encoder is not privy to the decoder's output",
        weights="drawzoo",
    )
    register(
        "draw-erroronly-mnist",
        f"{at}:DRAW_ERRORONLY_MNIST",
        summary="DRAW that reads the error image, and never the image itself",
        weights="drawzoo",
    )
