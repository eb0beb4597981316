"""What a run was told that decides at most its rounding, kept in its folder for `--resume`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import msgspec

from drawzoo.disk.atomic import write_atomic
from drawzoo.disk.paths import FOLDER, expanded
from drawzoo.errors import ConfigError
from drawzoo.schema.base import Config, encode, read
from drawzoo.schema.training import Precision

__all__ = ["CHECKPOINT_STEPS", "OPTIONS", "RunOptions", "read_options", "write_options"]

OPTIONS = "options.json"
"""The name of the file, beside the checkpoint."""

CHECKPOINT_STEPS = 500
"""Steps between checkpoints unless the user says otherwise."""

log = logging.getLogger("drawzoo")


class RunOptions(Config, frozen=True):
    """How a run is carried out.

    Attributes:
        data: Where its data are, in full, as `--data` takes it; None for the usual place.
        checkpoint_steps: Steps between checkpoints.
        precision: Of matrix products.
    """

    data: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    checkpoint_steps: Annotated[int, msgspec.Meta(ge=1)] = CHECKPOINT_STEPS
    precision: Precision = "float32"


def write_options(
    folder: Path, data: Path | None, checkpoint_steps: int, precision: Precision
) -> None:
    """Keeps the options of a run; they mean the same from any working folder.

    Raises:
        OutputError: If the file cannot be written.
    """
    place = None
    if data is not None:
        prefix = FOLDER if str(data).startswith(FOLDER) else ""
        place = prefix + str(expanded(str(data).removeprefix(FOLDER)).absolute())
    write_atomic(folder / OPTIONS, encode(RunOptions(place, checkpoint_steps, precision)))


def read_options(folder: Path) -> RunOptions:
    """The options of a run; the usual ones if none can be read, and a word on why."""
    path = folder / OPTIONS
    try:
        return read(path, RunOptions)
    except FileNotFoundError:
        pass
    except (OSError, ConfigError) as error:
        reason = getattr(error, "strerror", None) or error
        log.warning(
            f"{path} is not read: {reason}; say --data, --checkpoint-steps and --precision anew"
        )
    return RunOptions()
