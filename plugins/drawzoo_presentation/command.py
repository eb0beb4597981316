"""`drawzoo reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drawzoo.commands import data_option, json_option

if TYPE_CHECKING:
    from drawzoo import Figure

__all__ = ["reproduce"]


@click.group(short_help="Prints the presentation's tables on DRAW with our figures.")
def reproduce() -> None:
    """Reproduces the presentation on DRAW (N. Modhe and V. Jain, IIT Kanpur, 2016)."""


@reproduce.command("tables")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@json_option
@click.option(
    "--measure",
    is_flag=True,
    help="Measure all figures again, on the weights that ship; minutes a model, needs the data. "
    "What several seeds came to is a record, and stays.",
)
@data_option
def tables(as_markdown: bool, as_json: bool, measure: bool, data: Path | None) -> None:
    """Prints both tables of the presentation with our figures for every protocol.

    Our figures are the recorded figures of the published weights. With --measure they are
    measured anew, and the exit code is 6 if one is not as recorded.
    """
    import json

    from drawzoo import WeightsError
    from drawzoo.commands import manifest, print_table, read_figures
    from drawzoo_presentation.tables import COLUMNS, TABLES, cells, markdown, notes
    from drawzoo_presentation.tables import as_json as plain

    if as_json and as_markdown:
        raise click.UsageError("say --json or --markdown, not both")
    if data and not measure:
        raise click.UsageError("--data is for --measure; the recorded figures need none")
    names = {row.model for table in TABLES for row in table.rows}
    figures = {
        name: read_figures(entry.figures) for name, entry in manifest().items() if name in names
    }
    problems: list[str] = []
    if measure:
        figures, problems = _measured(figures, data)
    if as_json:
        click.echo(json.dumps(plain(figures), indent=2))
    elif as_markdown:
        click.echo(markdown(figures), nl=False)
    else:
        for table in TABLES:
            click.echo(f"Table {table.number}: {table.title}")
            header = [column.replace("`", "") for column in COLUMNS]
            rows = [cells(row, figures) for row in table.rows]
            print_table(
                header,
                [[cell.replace("`", "") for cell in row] for row in rows],
                drop=["in the presentation", "confidence ↑", "accuracy ↑", "iwae, nats ↓"],
            )
            click.echo()
        click.echo(notes(figures).replace("`", ""))
    for problem in problems:
        click.echo(f"Note: {problem}", err=True)
    if problems:
        raise WeightsError(
            f"{len(problems)} figures are not as recorded: {problems[0]}; "
            "check the weights with: drawzoo verify"
        )


def _measured(
    figures: dict[str, list[Figure]], data: Path | None
) -> tuple[dict[str, list[Figure]], list[str]]:
    """The figures as they are found now, and a line for each that is not as recorded."""
    from drawzoo.commands import bars, data_root, locate, measure_all

    found: dict[str, list[Figure]] = {}
    problems = []
    for name, recorded in figures.items():
        again = measure_all(locate(name).folder, recorded, data_root(data), bars=bars)
        found[name] = [figure for figure, _ in again]
        problems += [f"{name}: {problem}" for _, problem in again if problem]
    return found, problems
