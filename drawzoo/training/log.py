"""The course of a run: one JSON object a line, and TensorBoard if it is installed and asked for."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from drawzoo.disk.atomic import open_regular, write_atomic
from drawzoo.errors import OutputError

__all__ = ["LOG", "RunLog", "check_tensorboard", "read_log"]

LOG = "log.jsonl"


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The records of a run's log, up to the first line that a kill or a crash has damaged."""
    records: list[dict[str, Any]] = []
    try:
        with open_regular(folder / LOG) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict) or type(record.get("step")) is not int:
            break
        records.append(record)
    return records


def check_tensorboard() -> None:
    """Raises `OutputError` if TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise OutputError(
            "TensorBoard is not installed; pip install 'drawzoo[tensorboard]'"
        ) from None


class RunLog:
    """Appends to a run's log.

    Arguments:
        folder: The run's folder.
        step: The step to go on from; records of later steps, written after the last checkpoint,
            are dropped, since the steps are done again.
        tensorboard: Whether to write TensorBoard events as well.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool = False) -> None:
        self._board = None
        if tensorboard:
            check_tensorboard()
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder), purge_step=step)
        kept = [record for record in read_log(folder) if record["step"] <= step]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        write_atomic(folder / LOG, text.encode())
        self._file = (folder / LOG).open("a", encoding="utf-8")

    def write(self, record: dict[str, Any]) -> None:
        """Appends a record, which has a `step`."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        if self._board is not None:
            for key, value in record.items():
                if key != "step":
                    self._board.add_scalar(key, value, record["step"])

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()
