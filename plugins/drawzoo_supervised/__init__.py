"""Model II of the presentation: a digit classifier supervises the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    from drawzoo import Registrar


@hookimpl
def register_encoders(register: Registrar) -> None:
    register(
        "supervised",
        "drawzoo_supervised.encoder:SupervisedEncoder",
        config="drawzoo_supervised.settings:SupervisedConfig",
        summary="glimpses, and a classifier's maps and classes; needs labels to train",
    )


@hookimpl
def register_models(register: Registrar) -> None:
    register(
        "model2-mnist",
        "drawzoo_supervised.models:MODEL2_MNIST",
        summary="Model II: a digit classifier, trained with labels, feeds the encoder",
        weights="drawzoo",
    )
