"""How a published model was trained, short enough to lie beside its weights. Free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drawzoo import __version__
from drawzoo.config import MAX_JSON_BYTES, Config, decode
from drawzoo.errors import WeightsError
from drawzoo.files import open_regular
from drawzoo.manifest import TRAINING
from drawzoo.training.config import RunConfig, TrainingConfig

__all__ = ["Point", "TrainingRecord", "read_record", "training_record"]

POINTS = 100
"""Records of a log that are kept."""


class Point(Config, frozen=True):
    """The course of a run at a step: means over the steps since the log's record before."""

    step: int
    epoch: float
    nats: float
    kl: float


class TrainingRecord(Config, frozen=True):
    """A run.

    Attributes:
        training: The optimisation; the model is in `config.json`.
        drawzoo: The version that trained it.
        train_images: Images of the training split.
        seconds: What its steps took, by its log.
        log: The run's log, thinned.
    """

    training: TrainingConfig
    drawzoo: str
    train_images: int
    seconds: float
    log: list[Point]


def training_record(run: RunConfig, log: list[dict[str, Any]], train_images: int) -> TrainingRecord:
    """The record of a finished run.

    Arguments:
        run: Its configuration.
        log: Its whole log.
        train_images: Images of the training split.
    """
    # Older logs have whole numbers, and 0 for less than half an image a second.
    seconds = sum(
        (record["step"] - before["step"])
        * run.training.batch_size
        / (record["images_per_s"] or 0.5)
        for before, record in zip([{"step": 0}, *log[:-1]], log, strict=True)
    )
    last = len(log) - 1
    kept = sorted({round(i * last / (POINTS - 1)) for i in range(POINTS)})
    points = [
        Point(step=r["step"], epoch=r["epoch"], nats=r["nats"], kl=r["kl"])
        for r in (log[index] for index in kept)
    ]
    return TrainingRecord(run.training, __version__, train_images, round(seconds, 1), points)


def read_record(folder: Path) -> TrainingRecord:
    """The record in a model's folder.

    Raises:
        WeightsError: If there is none.
        ConfigError: If it is not valid.
    """
    path = folder / TRAINING
    try:
        with open_regular(path) as file:
            raw = file.read(MAX_JSON_BYTES + 1)
    except OSError:
        raise WeightsError(
            f"{folder} has no {TRAINING}; make the folder from the run: drawzoo card RUN"
        ) from None
    return decode(raw, TrainingRecord, str(path))
