"""The presentation's two tables, and ours beside them. Free of torch."""

from __future__ import annotations

from typing import Any, NamedTuple

from drawzoo import Figure
from drawzoo.commands import facts, find, markdown_table, plus_minus
from drawzoo_presentation.seeds import recorded, spread

__all__ = ["COLUMNS", "NOTES", "TABLES", "Row", "Table", "Theirs", "as_json", "cells", "markdown"]

PROTOCOLS = ("bound", "iwae", "quality", "generated", "accuracy")
"""The figures of a row."""


class Theirs(NamedTuple):
    """The presentation's figures of 1000 generated images."""

    mean: int
    std: int
    max: int


class Row(NamedTuple):
    """A line of a table of the presentation."""

    model: str
    """The model of that name here."""
    title: str
    """The model's name in the presentation."""
    theirs: Theirs


class Table(NamedTuple):
    """A table of the presentation."""

    number: int
    title: str
    rows: tuple[Row, ...]


TABLES = (
    Table(
        1,
        "analysis of the DRAW model",
        (
            Row("draw-mnist", "DRAW (attention)", Theirs(643, 264, 1370)),
            Row("draw-noattention-mnist", "DRAW (no attention)", Theirs(644, 268, 1337)),
            Row("draw-t1-mnist", "DRAW (T=1)", Theirs(653, 290, 1724)),
            Row("draw-t2-mnist", "DRAW (T=2)", Theirs(698, 276, 1402)),
            Row("draw-t5-mnist", "DRAW (T=5)", Theirs(796, 302, 1853)),
            Row("draw-noprivy-mnist", "DRAW (no-privy)", Theirs(809, 298, 2546)),
            Row("draw-erroronly-mnist", "DRAW (only error image)", Theirs(648, 302, 1853)),
        ),
    ),
    Table(
        2,
        "proposed models",
        (
            Row("draw-mnist", "DRAW", Theirs(820, 327, 1989)),
            Row("model1-mnist", "Model I, each-step convolution", Theirs(656, 267, 1429)),
            Row("model2-mnist", "Model II, supervised encoder", Theirs(791, 295, 1823)),
            Row("model3-mnist", "Model III, convolutional encoder", Theirs(625, 255, 1637)),
        ),
    ),
)

COLUMNS = (
    "model",
    "in the presentation",
    "`bound`, nats ↓",
    "over seeds",
    "`iwae`, nats ↓",
    "`quality`: Fréchet ↓",
    "confidence ↑",
    "`accuracy` ↑",
    "`generated`, ours",
    "`generated`, theirs",
)

NOTES = """\
↓ lower is better, ↑ higher is better, ± standard error. `bound`: the negative log-likelihood bound
on {bound} test images. Over seeds: mean and standard deviation of this bound over so many
seeds; the model is of seed 0. `iwae`: the importance-weighted bound on a random {iwae} of them.
`quality`: the Fréchet distance of {quality} generated images from as many test
images in the features of a digit classifier, and its confidence in them. `accuracy`: that of a
supervised encoder. `generated`: average, standard deviation and maximum of the cross-entropy
between generated images and unrelated test images, {generated} pairs. It is no likelihood and lower
is not better; the columns of the presentation are very probably this."""


def as_json(figures: dict[str, list[Figure]]) -> list[dict[str, Any]]:
    """Both tables as plain data.

    Arguments:
        figures: Model → its figures; a model that is not trained is left out.
    """
    return [
        {
            "table": table.number,
            "title": table.title,
            "rows": [
                {
                    "model": row.model,
                    "title": row.title,
                    "theirs": row.theirs._asdict(),
                    "trained": row.model in figures,
                    "seeds": recorded().models[row.model].nats,
                    "ours": {
                        name: None if figure is None else facts(figure)
                        for name, figure in _ours(row, figures).items()
                    },
                }
                for row in table.rows
            ],
        }
        for table in TABLES
    ]


def cells(row: Row, figures: dict[str, list[Figure]]) -> list[str]:
    """A row as text, for `COLUMNS`."""
    theirs = f"{row.theirs.mean}, {row.theirs.std}, {row.theirs.max}"
    head = [f"`{row.model}`", row.title]
    if row.model not in figures:
        return [*head, "not trained", *[""] * 6, theirs]
    ours = _ours(row, figures)
    bound, iwae, quality = ours["bound"], ours["iwae"], ours["quality"]
    generated, accuracy = ours["generated"], ours["accuracy"]
    return [
        *head,
        "" if bound is None else plus_minus(bound.nats_mean, bound.nats_stderr),
        spread(recorded().models[row.model].nats),
        "" if iwae is None else f"{plus_minus(iwae.nats_mean, iwae.nats_stderr)} (k={iwae.k})",
        "" if quality is None else plus_minus(quality.frechet, quality.frechet_stderr),
        "" if quality is None else f"{quality.confidence_mean:.3f}",
        "" if accuracy is None else f"{accuracy.accuracy:.2%} ± {accuracy.accuracy_stderr:.2%}",
        ""
        if generated is None
        else f"{generated.nats_mean:.0f} ± {generated.nats_stderr:.0f}, "
        f"{generated.nats_std:.0f}, {generated.nats_max:.0f}",
        theirs,
    ]


def notes(figures: dict[str, list[Figure]]) -> str:
    """What the columns mean, with the numbers of images that were used."""
    counts = {}
    for name in PROTOCOLS:
        found = {
            figure.images
            for row in (row for table in TABLES for row in table.rows)
            if (figure := _find(row, figures, name))
        }
        counts[name] = " or ".join(f"{count:,}" for count in sorted(found)) or "–"
    return NOTES.format(**counts)


def markdown(figures: dict[str, list[Figure]]) -> str:
    """Both tables as Markdown, with what the columns mean; no column is empty."""
    parts = []
    for table in TABLES:
        rows = [cells(row, figures) for row in table.rows]
        columns = [column for column in zip(COLUMNS, *rows, strict=True) if any(column[1:])]
        names, *kept = zip(*columns, strict=True)
        parts.append(f"**Table {table.number}: {table.title}**")
        parts.append(markdown_table(names, kept))
    return "\n\n".join([*parts, notes(figures)]) + "\n"


def _ours(row: Row, figures: dict[str, list[Figure]]) -> dict[str, Any]:
    return {name: _find(row, figures, name) for name in PROTOCOLS}


def _find(row: Row, figures: dict[str, list[Figure]], protocol: str) -> Any:
    dataset = row.model.rpartition("-")[2]
    return find(figures.get(row.model, []), protocol, dataset)
