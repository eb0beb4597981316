"""Section 4.1 of the paper: digits in clutter, classified by looking through DRAW's window.

A classifier is an encoder: `prepare` looks at the image and classifies it, labels reach the
encoder's own loss, and the protocol `accuracy` measures it. What is around the encoder draws next
to nothing, and the classifier does not learn from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    import click

    from drawzoo import Registrar

SETTINGS = "drawzoo_classifier.settings"


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        "glimpses",
        "drawzoo_classifier.encoder:GlimpsesEncoder",
        config=f"{SETTINGS}:GlimpsesConfig",
        summary="classifies by an LSTM's glimpses through DRAW's window; needs labels to train",
    )
    register(
        "convolutions",
        "drawzoo_classifier.encoder:ConvolutionsEncoder",
        config=f"{SETTINGS}:ConvolutionsConfig",
        summary="classifies by convolutions of the whole image; needs labels to train",
    )


@hookimpl
def register_likelihoods(register: Registrar) -> None:
    register(
        "squares",
        "drawzoo_classifier.likelihood:Squares",
        config=f"{SETTINGS}:SquaresConfig",
        summary="weighted squared error, no density: for models that are not for drawing",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    register(
        "classifier-cluttered-mnist",
        "drawzoo_classifier.models:CLUTTERED_CLASSIFIER",
        summary="no drawing: classifies digits in clutter by 8 glimpses (section 4.1)",
        weights="drawzoo",
    )
    register(
        "plain-cluttered-mnist",
        "drawzoo_classifier.models:CLUTTERED_CLASSIFIER_PLAIN",
        summary="no drawing: two convolutions, of as many products as classifier-cluttered-mnist",
        weights="drawzoo",
    )


@hookimpl
def register_commands(cli: click.Group) -> None:
    from drawzoo_classifier.command import cluttered

    cli.add_command(cluttered)
