"""What was measured on single images, as a table: a row an image, in CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from torch import Tensor

from drawzoo.disk.atomic import write_atomic
from drawzoo.errors import WeightsError

__all__ = ["HEAD", "Rows"]

HEAD = {
    "model": "the model, as it was named",
    "dataset": "the dataset",
    "split": "its split",
    "row": "the image's place in the split, from 0",
    "label": "its label; empty where there is none",
}
"""The columns before the values: name → meaning."""


class Rows:
    """The rows of one table; models may have different values."""

    def __init__(self) -> None:
        self._rows: list[dict[str, str | int | float]] = []

    def add(
        self,
        model: str,
        dataset: str,
        split: str,
        places: Tensor,
        labels: Tensor | None,
        values: dict[str, Tensor],
    ) -> None:
        """Adds a row an image.

        Arguments:
            model: What to call the model.
            dataset: The dataset's name.
            split: Its split.
            places: Of the images in the split, int64 [N].
            labels: Of the images, int64 [N].
            values: Name → values, [N]; those that are not integers are rounded as figures are.

        Raises:
            WeightsError: If a value is NaN or infinite.
        """
        if not all(column.isfinite().all() for column in values.values()):
            raise WeightsError(
                "the weights give values that are not finite; get them again, or use another model"
            )
        columns = {
            name: column.tolist()
            if not column.is_floating_point()
            else [round(value, 4) for value in column.double().tolist()]
            for name, column in {"row": places, **values}.items()
        }
        columns["label"] = [""] * len(places) if labels is None else labels.tolist()
        where = {"model": model, "dataset": dataset, "split": split}
        self._rows += [
            {**where, **dict(zip(columns, cells, strict=True))}
            for cells in zip(*columns.values(), strict=True)
        ]

    def write(self, path: Path) -> None:
        """Writes the file whole: a line of names, then a line a row.

        Raises:
            OutputError: If it cannot be written.
        """
        names = dict.fromkeys([*HEAD, *(name for row in self._rows for name in row)])
        text = io.StringIO()
        writer = csv.DictWriter(text, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomic(path, text.getvalue().encode())
