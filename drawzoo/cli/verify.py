"""`drawzoo verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from drawzoo.cli.options import cache_option, data_option, json_option

if TYPE_CHECKING:
    from drawzoo.schema.manifest import Published


class Copy(NamedTuple):
    """What was found of a model's copy."""

    name: str
    source: str
    folder: str
    problems: list[str]
    figures: int
    """Figures that were measured again."""


@click.command
@click.argument("models", nargs=-1, metavar="[MODEL...]")
@click.option(
    "--figures",
    "which",
    type=click.Choice(["sample", "all"]),
    default="sample",
    show_default=True,
    help="Which figures to measure again: those on data that comes with drawzoo, or all, which "
    "takes minutes a model and needs the data.",
)
@click.option("--no-figures", is_flag=True, help="Only check the files.")
@data_option
@cache_option
@json_option
def command(
    models: tuple[str, ...],
    which: str,
    no_figures: bool,
    data: Path | None,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Checks models, cached and shipped: their files, and the figures on their cards.

    Files are compared with their published SHA-256, and figures with those found now; a figure may
    differ by rounding, such as nats below a hundred by 0.001. All models unless named. Exit code 6
    if a file or a figure differs, or a named model has no copy here.
    """
    from drawzoo.cli.again import measure_all
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.table import print_table
    from drawzoo.errors import WeightsError
    from drawzoo.evaluation.protocol import read_figures
    from drawzoo.schema.manifest import USED, manifest, mismatch
    from drawzoo.store.sources import cached, published_model, shipped

    found: list[tuple[str, Published, dict[str, Path]]] = []
    for name, published in map(published_model, models or manifest()):
        copies = {"cache": cached(name, cache_dir), "shipped": shipped(name)}
        if models and not any(copies.values()):
            raise WeightsError(f"{name} has no copy here; get it with: drawzoo pull {name}")
        found.append((name, published, {k: folder for k, folder in copies.items() if folder}))
    rows: list[Copy] = []
    for name, published, folders in found:
        problems = {
            source: [
                problem
                for file, pin in published.files.items()
                # To load a model brings no card and no pictures into the cache.
                if source == "shipped" or file in USED or (folder / file).exists()
                if (problem := mismatch(folder / file, pin))
            ]
            for source, folder in folders.items()
        }
        # Copies that are as published are the same, so that one is measured for all.
        good = [source for source, bad in problems.items() if not bad]
        recorded = [
            figure
            for figure in read_figures(published.figures)
            if which == "all" or figure.dataset.endswith("-sample")
        ]
        measured = 0
        if good and recorded and not no_figures:
            again = measure_all(folders[good[0]], recorded, data)
            different = [problem for _, problem in again if problem]
            problems |= dict.fromkeys(good, different)
            measured = len(recorded)
        for source, folder in folders.items():
            count = measured if source in good else 0
            rows.append(Copy(name, source, str(folder), problems[source], count))
    if as_json:
        print_json([row._asdict() for row in rows], indent=2)
    else:
        print_table(
            ["name", "source", "state", "figures", "folder"],
            [
                [
                    row.name,
                    row.source,
                    "DAMAGED" if row.problems else "good",
                    f"{row.figures} measured again",
                    row.folder,
                ]
                for row in rows
            ],
        )
    if bad := [row for row in rows if row.problems]:
        mend = f"drawzoo pull {bad[0].name}" if bad[0].source == "cache" else "reinstall drawzoo"
        raise WeightsError(
            f"{len(bad)} of {len(rows)} copies are damaged: {bad[0].problems[0]}; mend it: {mend}"
        )
