"""`drawzoo verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from drawzoo.cli.completion import Registered
from drawzoo.cli.options import cache_option, data_option, json_option


@click.command
@click.argument("models", nargs=-1, metavar="[MODEL...]", type=Registered("model"))
@click.option(
    "--figures",
    "which",
    type=click.Choice(["sample", "all"]),
    default="sample",
    show_default=True,
    help="Which figures to measure again: figures on data that comes with drawzoo, or all, which "
    "takes minutes a model and needs the data.",
)
@click.option("--no-figures", is_flag=True, help="Only check the files.")
@data_option
@cache_option
@json_option
def command(
    models: tuple[str, ...],
    which: Literal["sample", "all"],
    no_figures: bool,
    data: Path | None,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Checks models, cached and shipped: their files, and the figures on their cards.

    Files are compared with their published SHA-256, and figures are measured again; a figure may
    differ by rounding, such as nats below a hundred by 0.001. All models unless named. Exit code 6
    if a file or a figure differs, or a named model has no copy here.
    """
    from drawzoo.cards.check import check_copies
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.progress import bars
    from drawzoo.cli.table import print_table
    from drawzoo.errors import WeightsError

    rows = check_copies(
        models, figures="none" if no_figures else which, data=data, cache=cache_dir, bars=bars
    )
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
