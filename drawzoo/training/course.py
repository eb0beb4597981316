"""The course of a run, from its folder: the bound in training and on validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from drawzoo.errors import TrainingError
from drawzoo.schema.record import seconds
from drawzoo.schema.training import RunConfig
from drawzoo.training.checkpoint import read_checkpoint
from drawzoo.training.log import LOG, read_log

__all__ = ["Course", "read_course"]


class Course(NamedTuple):
    """What a run has measured so far; lists of one length, an item for each record of its log."""

    config: RunConfig
    epochs: list[float]
    minutes: list[float]
    """Of training alone, without validation."""
    nats: list[float]
    """The bound, mean over the steps since the record before."""
    valid_nats: list[float | None]
    """The bound on validation at records that end an epoch; None elsewhere."""

    @property
    def best(self) -> int | None:
        """The record with the best bound on validation."""
        measured = {i: nats for i, nats in enumerate(self.valid_nats) if nats is not None}
        return min(measured, key=lambda i: measured[i], default=None)


class _Record(msgspec.Struct):
    """What is used of a record of the log."""

    epoch: float
    nats: float
    images_per_s: Annotated[float, msgspec.Meta(ge=0)]
    valid_nats: float | None = None


def read_course(folder: Path) -> Course:
    """The course of the run in a folder, finished or not.

    Raises:
        TrainingError: If there is none, it has no record yet, or its log is damaged.
    """
    checkpoint, log = read_checkpoint(folder), read_log(folder)
    if checkpoint is None:
        raise TrainingError(
            f"{folder} holds no run; make one with drawzoo train MODEL --out {folder}"
        )
    if not log:
        raise TrainingError(f"the run in {folder} has no record yet; train some more steps")
    try:
        records = msgspec.convert(log, list[_Record])
    except msgspec.ValidationError as error:
        raise TrainingError(f"{folder / LOG} is damaged ({error}); leave this run out") from None
    return Course(
        checkpoint.config,
        [record.epoch for record in records],
        [time / 60 for time in seconds(log, checkpoint.config.training.batch_size)],
        [record.nats for record in records],
        [record.valid_nats for record in records],
    )
