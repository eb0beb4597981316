"""`drawzoo plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drawzoo.cli.options import OutputFile, json_option

if TYPE_CHECKING:
    from drawzoo.render.courses import Against


@click.command
@click.argument(
    "runs",
    nargs=-1,
    required=True,
    metavar="RUN…",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@click.option(
    "--out",
    type=OutputFile(".png"),
    default=Path("curves.png"),
    show_default=True,
    help="The picture (PNG).",
)
@click.option(
    "--against",
    type=click.Choice(["epoch", "minutes"]),
    default="epoch",
    show_default=True,
    help="What is from left to right.",
)
@json_option
def command(runs: tuple[Path, ...], out: Path, against: Against, as_json: bool) -> None:
    """Puts the curves of runs over each other: the bound in training and on validation.

    A RUN is a folder of drawzoo train, finished or not. Minutes count its training steps alone, by
    its log. What is printed is where each run is, and its best bound on validation.

    \b
    drawzoo plot runs/draw runs/model1 --out curves.png
    drawzoo plot runs/three/seed-* --against minutes
    """
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.table import print_table
    from drawzoo.disk.atomic import check_writable, write_atomic

    check_writable(out)

    from drawzoo.render.courses import courses_plot
    from drawzoo.training.course import read_course

    courses = [(str(run), read_course(run)) for run in runs]
    write_atomic(out, courses_plot(courses, against))
    click.echo(f"the curves of {len(runs)} run{'s' * (len(runs) > 1)} in {out}", err=True)
    rows = []
    for run, course in courses:
        row: dict[str, Any] = {
            "run": run,
            "model": course.config.model.name,
            "epoch": course.epochs[-1],
            "minutes": round(course.minutes[-1], 2),
            "nats": course.nats[-1],
        }
        if (best := course.best) is not None:
            row |= {"valid_nats": course.valid_nats[best], "best_epoch": course.epochs[best]}
        rows.append(row)
    if as_json:
        print_json(rows, indent=2)
        return
    print_table(
        ["run", "model", "epochs", "minutes", "nats in training", "best on validation", "in epoch"],
        [
            [
                row["run"],
                row["model"],
                f"{row['epoch']:g}",
                f"{row['minutes']:.1f}",
                f"{row['nats']:.2f}",
                f"{row['valid_nats']:.2f}" if "valid_nats" in row else "",
                f"{row['best_epoch']:g}" if "best_epoch" in row else "",
            ]
            for row in rows
        ],
        drop=["in epoch", "epochs", "model"],
    )
