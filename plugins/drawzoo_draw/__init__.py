"""DRAW as in the paper: its six components, with and without attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        "lstm",
        "drawzoo_draw.encoder:LSTMEncoder",
        config="drawzoo_draw.settings:LSTMConfig",
        summary="the paper's encoder",
    )


@hookimpl
def register_readers(register: Registrar) -> None:
    at, none = "drawzoo_draw.reader", "drawzoo:Config"
    register(
        "attention",
        f"{at}:AttentiveReader",
        config="drawzoo_draw.settings:AttentionConfig",
        summary="an N × N patch through a window",
    )
    register(
        "whole",
        f"{at}:WholeReader",
        config=none,
        summary="all of the image and of the error image",
    )
    register("none", f"{at}:NoReader", config=none, summary="nothing: the encoder looks by itself")


@hookimpl
def register_writers(register: Registrar) -> None:
    at = "drawzoo_draw.writer"
    register(
        "attention",
        f"{at}:AttentiveWriter",
        config="drawzoo_draw.settings:AttentionConfig",
        summary="an N × N patch through a window",
    )
    register("whole", f"{at}:WholeWriter", config="drawzoo:Config", summary="the whole canvas")


@hookimpl
def register_latents(register: Registrar) -> None:
    register(
        "gaussian",
        "drawzoo_draw.latent:GaussianLatent",
        config="drawzoo_draw.settings:GaussianConfig",
        summary="the paper's: a diagonal Gaussian, its prior the standard normal",
    )


@hookimpl
def register_decoders(register: Registrar) -> None:
    register(
        "lstm",
        "drawzoo_draw.decoder:LSTMDecoder",
        config="drawzoo_draw.settings:LSTMConfig",
        summary="the paper's decoder",
    )


@hookimpl
def register_likelihoods(register: Registrar) -> None:
    register(
        "bernoulli",
        "drawzoo_draw.likelihood:Bernoulli",
        config="drawzoo:Config",
        summary="binary pixels",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    register(
        "draw-mnist",
        "drawzoo_draw.models:DRAW_MNIST",
        summary="DRAW with attention",
        weights="drawzoo",
    )
    register(
        "draw-fashion-mnist",
        "drawzoo_draw.models:DRAW_FASHION_MNIST",
        summary="DRAW with attention, of pieces of clothing",
        weights="drawzoo",
    )
    register(
        "draw-multi-mnist",
        "drawzoo_draw.models:DRAW_MULTI_MNIST",
        summary="DRAW with attention, of two digits on a canvas of 60 × 60",
        weights="drawzoo",
    )
    register(
        "draw-binarized-mnist",
        "drawzoo_draw.models:DRAW_BINARIZED_MNIST",
        summary="DRAW with T=32 and 384 units, for the fixed binarised MNIST of the paper",
        weights="drawzoo",
    )
