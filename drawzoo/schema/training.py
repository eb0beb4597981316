"""How a model is trained. Free of torch."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import msgspec

from drawzoo.schema.base import Config, Size
from drawzoo.schema.model import ModelConfig

__all__ = ["CHECKPOINT", "Precision", "RunConfig", "TrainingConfig"]

CHECKPOINT = "checkpoint.safetensors"
"""The name of the file from which a run is resumed."""

Precision = Literal["float32", "bf16", "tf32"]
"""Of matrix products in training."""

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Fraction = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Reference = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]*\Z", max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10**9)]


class TrainingConfig(Config, frozen=True):
    """The optimisation.

    Attributes:
        epochs: How often the whole training split is seen.
        restarts: Epochs after which the learning rate starts anew, with warm-up and cosine
            (Loshchilov and Hutter 2017); in order, each less than `epochs`.
        max_steps: Optimiser steps after which to stop, if that comes first.
        batch_size: Images in a step; the last, incomplete batch of an epoch is left out.
        optimizer: A registered optimiser, by its name or `distribution:name`.
        learning_rate: The rate after the warm-up.
        matrix_learning_rate: Muon's rate after the warm-up, for the matrices that suit Muon;
            `learning_rate` is for the rest.
        final_learning_rate: The rate at the end of the cosine decay, as a fraction.
        warmup_steps: Steps of linear warm-up; at most a tenth of the run.
        weight_decay: For AdamW and Muon's matrices, the fraction of a weight that a step takes off,
            over the learning rate; for Adam, a part of the gradient.
        clip_norm: The gradient's norm is clipped to this.
        ema_decay: Decay of the exponential moving average of the weights; 0 for none.
        validation: The number of images whose bound is measured after each epoch, and which are
            never trained on; 0 for none. The images are of the dataset's own split `valid`, at most
            all of it, or else of the training split, at most a tenth of it.
        patience: Epochs without a better bound on validation after which to stop; None for never.
        seed: The seed of everything random: weights, order, binarisation and noise.
        init_from: The model with whose trained weights the run begins, as `drawzoo.load` takes its
            name; None for new, random ones.
    """

    epochs: Count = 20
    restarts: tuple[Count, ...] = ()
    max_steps: Count | None = None
    batch_size: Size = 128
    optimizer: Reference = "muon"
    learning_rate: Positive = 4e-3
    matrix_learning_rate: Positive = 0.03
    final_learning_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    warmup_steps: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 200
    weight_decay: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    clip_norm: Positive = 5.0
    ema_decay: Fraction = 0.0
    validation: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 5_000
    patience: Count | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] = 0
    init_from: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)] | None = None

    def __post_init__(self) -> None:
        cycles = (0, *self.restarts, self.epochs)
        if any(a >= b for a, b in itertools.pairwise(cycles)):
            raise ValueError(
                f"restarts {list(self.restarts)} are not in order between 0 and {self.epochs} "
                "epochs"
            )
        if self.patience is not None and not self.validation:
            raise ValueError("patience needs validation, which is 0")

    def lengthens(self, shorter: TrainingConfig) -> bool:
        """Whether this is `shorter` with epochs added after a restart at its end."""
        if self.restarts != (*shorter.restarts, shorter.epochs):
            return False
        longer = msgspec.structs.replace(shorter, epochs=self.epochs, restarts=self.restarts)
        return self == longer


class RunConfig(Config, frozen=True):
    """Model and optimisation, which together decide the result of a run."""

    model: ModelConfig
    training: TrainingConfig
