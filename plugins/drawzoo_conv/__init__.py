"""Convolutional encoders: Model III of the presentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo.registry import Registrar


@hookimpl
def register_encoders(register: Registrar) -> None:
    register("conv", "drawzoo_conv.encoder:ConvEncoder", summary="CNN features of the image")


@hookimpl
def register_models(register: Registrar) -> None:
    register(
        "model3-mnist",
        "drawzoo_conv.models:MODEL3_MNIST",
        summary="Model III: the encoder is fed only CNN features of the image",
    )
