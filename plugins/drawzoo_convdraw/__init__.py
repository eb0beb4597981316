"""Convolutional DRAW: codes are maps, and their prior is learned (Gregor et al., 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar

NAME = "convdraw"
"""The name of each of the five components."""


@hookimpl
def register_readers(register: Registrar) -> None:
    register(
        NAME,
        "drawzoo_convdraw.images:MapReader",
        config="drawzoo_convdraw.settings:ReaderConfig",
        summary="a strided convolution of image and error image",
    )


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        NAME,
        "drawzoo_convdraw.recurrence:ConvLSTMEncoder",
        config="drawzoo_convdraw.settings:EncoderConfig",
        summary="convolutional LSTMs, bottom-up",
    )


@hookimpl
def register_latents(register: Registrar) -> None:
    register(
        NAME,
        "drawzoo_convdraw.latent:MapLatent",
        config="drawzoo_convdraw.settings:LatentConfig",
        summary="maps of Gaussians, with a prior learned from h_dec",
    )


@hookimpl
def register_decoders(register: Registrar) -> None:
    register(
        NAME,
        "drawzoo_convdraw.recurrence:ConvLSTMDecoder",
        config="drawzoo_convdraw.settings:DecoderConfig",
        summary="convolutional LSTMs, top-down, that see the canvas",
    )


@hookimpl
def register_writers(register: Registrar) -> None:
    register(
        NAME,
        "drawzoo_convdraw.images:MapWriter",
        config="drawzoo:Config",
        summary="a transposed convolution of h_dec",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    at = "drawzoo_convdraw.models"
    for name, attribute, summary in (
        ("convdraw-mnist", "CONVDRAW_MNIST", "convolutional DRAW"),
        (
            "convdraw-binarized-mnist",
            "CONVDRAW_BINARIZED_MNIST",
            "convolutional DRAW, of the fixed binarised MNIST",
        ),
        ("convdraw-svhn-10k", "CONVDRAW_SVHN_10K", "convolutional DRAW, of house numbers"),
        (
            "convdraw2-svhn-10k",
            "CONVDRAW2_SVHN_10K",
            "convolutional DRAW of two layers, of house numbers",
        ),
    ):
        register(name, f"{at}:{attribute}", summary=summary, weights="drawzoo")
