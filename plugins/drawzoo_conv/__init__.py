"""Convolution and deconvolution in DRAW: Models I and III of the presentation, and their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        "conv",
        "drawzoo_conv.encoder:ConvEncoder",
        config="drawzoo_conv.settings:ConvConfig",
        summary="CNN features of the image",
    )


@hookimpl
def register_writers(register: Registrar) -> None:
    register(
        "deconv",
        "drawzoo_conv.writer:DeconvWriter",
        config="drawzoo_conv.settings:DeconvConfig",
        summary="transposed convolutions",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    at = "drawzoo_conv.models"
    register(
        "model1-mnist",
        f"{at}:MODEL1_MNIST",
        summary="Model I: the encoder reads glimpses and CNN features of the image",
        weights="drawzoo",
    )
    register(
        "model1-binarized-mnist",
        f"{at}:MODEL1_BINARIZED_MNIST",
        summary="Model I with T=24 and 512 units, for the fixed binarised MNIST of the paper",
        weights="drawzoo",
    )
    register(
        "model1-fashion-mnist",
        f"{at}:MODEL1_FASHION_MNIST",
        summary="Model I, of pieces of clothing",
        weights="drawzoo",
    )
    register(
        "model3-mnist",
        f"{at}:MODEL3_MNIST",
        summary="Model III: the encoder is fed only CNN features of the image",
        weights="drawzoo",
    )
