"""Colour: likelihoods of pixels of 256 levels, and the recipes of house numbers and photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_likelihoods(register: Registrar) -> None:
    at = "drawzoo_colour.likelihood"
    register(
        "logistic",
        f"{at}:DiscretisedLogistic",
        config="drawzoo:Config",
        summary="256 levels, a discretised logistic for each pixel and channel",
    )
    register(
        "logistic-mixture",
        f"{at}:LogisticMixture",
        config="drawzoo_colour.settings:MixtureConfig",
        summary="256 levels, a mixture of K discretised logistics with dependent channels",
    )
    register(
        "intensities",
        f"{at}:Intensities",
        config="drawzoo:Config",
        summary="the cross-entropy of intensities, as the paper trains on colour; no bound",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    at = "drawzoo_colour.models"
    for name, attribute, summary in (
        ("draw-svhn-10k", "DRAW_SVHN_10K", "DRAW with attention, of house numbers"),
        ("model1-svhn-10k", "MODEL1_SVHN_10K", "Model I, of house numbers"),
        ("model2-svhn-10k", "MODEL2_SVHN_10K", "Model II, of house numbers; needs labels to train"),
        ("model3-svhn-10k", "MODEL3_SVHN_10K", "Model III, of house numbers"),
        ("draw-svhn", "DRAW_SVHN", "DRAW with attention, of house numbers"),
        ("draw-svhn54", "DRAW_SVHN54", "DRAW at the paper's sizes, of whole house numbers"),
        ("draw-folder", "DRAW_FOLDER", "DRAW with attention, of your own images (train draw)"),
        ("draw-cifar10", "DRAW_CIFAR10", "DRAW at the paper's sizes, of photographs"),
    ):
        register(name, f"{at}:{attribute}", summary=summary, weights="drawzoo")
