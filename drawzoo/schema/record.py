"""How a published model was trained, short enough to lie beside its weights. Free of torch."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from drawzoo.errors import WeightsError
from drawzoo.schema.base import Config, read
from drawzoo.schema.manifest import TRAINING
from drawzoo.schema.training import Precision, RunConfig, TrainingConfig
from drawzoo.version import __version__

__all__ = ["Kept", "Point", "TrainingRecord", "read_record", "seconds", "training_record"]

POINTS = 100
"""How many records of a log are kept, and how many records with a validation."""


class Point(Config, frozen=True, omit_defaults=True):
    """The course of a run at a step: means over the steps since the previous record."""

    step: int
    epoch: float
    nats: float
    kl: float
    valid_nats: float | None = None
    """The bound on validation, at the end of an epoch."""


class Kept(Config, frozen=True):
    """The weights with the best bound on validation, which are the weights that are used."""

    step: int
    epoch: float
    valid_nats: float


class TrainingRecord(Config, frozen=True, omit_defaults=True):
    """A run.

    Attributes:
        training: The optimisation; the model is in `config.json`.
        drawzoo: The version that trained the model.
        train_images: Images of the training split.
        seconds: The time of all steps, by the log.
        log: The run's log, thinned.
        validation_images: Images that were held out, or of the dataset's own split.
        kept: The step whose weights are used; None for the last step.
        precision: Of matrix products.
    """

    training: TrainingConfig
    drawzoo: str
    train_images: int
    seconds: float
    log: list[Point]
    validation_images: int = 0
    kept: Kept | None = None
    precision: Precision = "float32"


def seconds(log: list[dict[str, Any]], batch_size: int) -> list[float]:
    """The time of all steps up to each record of a log, in seconds."""
    return list(
        itertools.accumulate(
            # Older logs round the rate to a whole number: 0 for less than half an image a second.
            (record["step"] - before["step"]) * batch_size / (record["images_per_s"] or 0.5)
            for before, record in zip([{"step": 0}, *log[:-1]], log, strict=True)
        )
    )


def training_record(
    run: RunConfig,
    log: list[dict[str, Any]],
    train_images: int,
    validation_images: int = 0,
    best: tuple[int, float] | None = None,
    precision: Precision = "float32",
) -> TrainingRecord:
    """The record of a finished run.

    Arguments:
        run: The run's configuration.
        log: The run's whole log.
        train_images: The number of training images.
        validation_images: The number of validation images.
        best: Step and nats of the best bound on validation.
        precision: Of matrix products.
    """
    took = seconds(log, run.training.batch_size)[-1]
    points = [
        Point(r["step"], r["epoch"], r["nats"], r["kl"], r.get("valid_nats"))
        for r in _thinned(log) + _thinned([r for r in log if "valid_nats" in r])
    ]
    points = sorted({point.step: point for point in points}.values(), key=lambda point: point.step)
    kept = None
    if best is not None:
        step, nats = best
        epoch = step / (train_images // run.training.batch_size)
        kept = Kept(step, round(epoch, 3), round(nats, 4))
    return TrainingRecord(
        run.training,
        __version__,
        train_images,
        round(took, 1),
        points,
        validation_images,
        kept,
        precision,
    )


def _thinned(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most `POINTS` records, spread over a log from the first record to the last."""
    if (last := len(log) - 1) < 0:
        return []
    return [log[i] for i in sorted({round(i * last / (POINTS - 1)) for i in range(POINTS)})]


def read_record(folder: Path) -> TrainingRecord:
    """The record in a model's folder.

    Raises:
        WeightsError: If there is no record.
        ConfigError: If the record is not valid.
    """
    path = folder / TRAINING
    try:
        return read(path, TrainingRecord)
    except OSError:
        raise WeightsError(
            f"{folder} has no {TRAINING}; make the folder from the run: drawzoo card RUN"
        ) from None
