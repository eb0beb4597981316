"""`drawzoo bench quality`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drawzoo.commands import data_option
from drawzoo_bench.options import plot_option, prepared, shared_options

if TYPE_CHECKING:
    from drawzoo_bench.quality import Course, Task

__all__ = ["command"]


@click.command
@shared_options(batch=128, compile=True, seconds=False)
@click.option(
    "--target",
    type=click.FloatRange(0, min_open=True),
    required=True,
    metavar="NATS",
    help="The bound on validation to be reached, in nats an image.",
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(0, 10**5, min_open=True),
    help="Of each training, of which there are six. [60 for MODEL, then 12 times what it took, or "
    "as long if it did not get there]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10**6),
    default=8,
    show_default=True,
    help="That MODEL's learning rates fall over. Choose as few as reach the target.",
)
@click.option(
    "--every",
    type=click.IntRange(1, 10**9),
    default=200,
    show_default=True,
    help="Steps from one evaluation to the next.",
)
@data_option
@plot_option("quality.png")
def command(
    target: float,
    max_minutes: float | None,
    epochs: int,
    every: int,
    data: Path | None,
    out: Path,
    **options: Any,
) -> None:
    """Measures the minutes of training to a given bound, beside a plain DRAW.

    MODEL is trained as by drawzoo train; then a plain DRAW of the same sizes as people write it,
    with Adam at 0.001 and PyTorch's initialisation; then the same plain DRAW with MODEL's
    initialisation and each of four rates, of which the best counts. One after another, on the same
    images; the bound is of the validation images of drawzoo train. Minutes are of training and of
    compiling it; evaluation is not counted. Ctrl-C keeps what was measured.

    \b
    drawzoo bench quality draw-mnist --target 90
    """
    import torch

    from drawzoo import DataError, RunConfig, TrainingConfig
    from drawzoo.commands import (
        check_writable,
        data_root,
        load_images,
        override,
        print_json,
        write_atomic,
    )

    check_writable(out)
    config = prepared(options)
    from drawzoo_bench.quality import Task, check_sizes, compare, plot, record

    check_sizes(config)
    changes = {"batch_size": options["batch"], "epochs": epochs}
    training = override(TrainingConfig(), changes)
    images, validation = load_images(RunConfig(config, training), data_root(data))
    if validation is None:
        raise DataError(
            f"the {len(images.pixels)} images of {config.dataset} are too few to hold out some "
            "for the bound; train on more"
        )
    task = Task(target, max_minutes, every, torch.device(options["device"]))
    courses: list[Course] = []
    interrupted = False
    try:
        compare(
            config,
            training,
            images,
            validation,
            task,
            compile=options["compile"],
            courses=courses,
            report=_report,
        )
    except KeyboardInterrupt:
        interrupted = True
    measured = [course for course in courses if course.nats]
    if measured:
        write_atomic(out, plot(measured, task))
        click.echo(f"plotted in {out}", err=True)
        figures = record(measured, task, config, training)
        if options["as_json"]:
            print_json(figures, indent=2)
        else:
            _tell(measured, task, figures)
    if interrupted:
        raise KeyboardInterrupt


def _report(course: Course) -> None:
    click.echo(
        f"{course.name}: step {course.step[-1]}, {course.minutes[-1]:.2f} minutes, "
        f"{course.nats[-1]:.2f} nats",
        err=True,
    )


def _tell(courses: list[Course], task: Task, figures: dict[str, Any]) -> None:
    """A line a course that counts, and how much faster the first was."""
    from drawzoo_bench.quality import best

    ours, tuned = courses[0], best(courses)
    theirs = [c for c in courses[1:] if c.initialisation == "PyTorch" or c is tuned]
    for course in (ours, *theirs):
        note = ", the best of its rates" if course is tuned else ""
        if course.reached is not None:
            said = f"{task.target:g} nats in {course.reached:.2f} minutes"
        else:
            said = (
                f"{task.target:g} nats not reached in {course.minutes[-1]:.2f} minutes "
                f"({course.end}; at best {min(course.nats):.2f})"
            )
        click.echo(f"{course.name}{note}: {said}")
    for course in theirs:
        # A course that was given up early says nothing of how long it would have taken.
        if ours.reached and course.minutes[-1] and course.end in ("reached", "out of time"):
            least = "at most " if course.reached is None else ""
            share = ours.reached / course.minutes[-1]
            click.echo(f"{least}{share:.3f} of the minutes of {course.name}")
    click.echo(
        f"one after another, {figures['device']}, {figures['threads']} threads, "
        f"{figures['processor']}, torch {figures['torch']}"
    )
