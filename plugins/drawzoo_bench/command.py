"""`drawzoo bench`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drawzoo.commands import OutputFile, Registered, check_device, data_option, json_option

if TYPE_CHECKING:
    from drawzoo import ModelConfig
    from drawzoo_bench.quality import Course, Task

SAMPLE_BATCHES = (100, 250, 500, 1000, 2000)
"""Tried by `bench sample` for the best one."""


@click.group
def command() -> None:
    """Measures speed, and in the same minutes the model's matrix products alone: the floor.

    The model has new weights and random images, so that nothing is downloaded; but quality trains
    on the model's own data.
    """


def _options(batch: int, compile: bool, *, seconds: bool = True) -> Callable[[Any], Any]:
    """The options that the commands share; `seconds` are for all that repeat one piece of work."""
    options = [
        click.argument("model", type=Registered("model")),
        click.option(
            "--batch",
            type=click.IntRange(1, 10**6),
            default=batch,
            show_default=True,
            help="Images.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="A setting of the model, such as steps=64. Repeatable.",
        ),
        click.option(
            "--compile/--no-compile",
            default=compile,
            show_default=True,
            help="Through torch.compile, whose time is told apart.",
        ),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …"),
        click.option(
            "--threads", type=click.IntRange(1, 1024), help="Of the CPU. [torch's choice]"
        ),
        json_option,
    ]
    if seconds:
        options.append(
            click.option(
                "--seconds",
                type=click.FloatRange(0, 3600),
                default=10,
                show_default=True,
                help="For the measurement, compilation and warm-up apart.",
            )
        )

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@command.command
@_options(batch=100, compile=True)
def train(**options: Any) -> None:
    """Times a whole training step: binarisation, forward and backward, clipping, optimiser."""
    _bench("train", **options)


@command.command
@_options(batch=250, compile=False)
def evaluate(**options: Any) -> None:
    """Times the bound of a batch of images."""
    _bench("evaluate", **options)


@command.command
@_options(batch=100, compile=False)
def sample(**options: Any) -> None:
    """Times drawing from the prior, at --batch and at larger ones for the best."""
    _bench("sample", **options)


@command.command
@_options(batch=32, compile=False, seconds=False)
def memory(**options: Any) -> None:
    """Measures the memory of a training step, with and without drawzoo train --recompute.

    Weights and optimiser are not counted.

    \b
    drawzoo bench memory draw-svhn54 --set steps=64 --set image=[3,64,64]
    """
    from drawzoo.commands import print_json

    config = _prepared(options)
    from drawzoo_bench.memory import memory as measure

    figures = measure(
        config, batch=options["batch"], device=options["device"], compile=options["compile"]
    )
    if options["as_json"]:
        print_json(figures, indent=2)
        return
    click.echo(
        f"{config.name}, T={config.steps}, a batch of {figures['batch']} images of "
        f"{list(config.image)}: {figures['kept_mb']:,.0f} MiB and {figures['kept_ms']:,.0f} ms a "
        f"training step; with --recompute {figures['recomputed_mb']:,.0f} MiB and "
        f"{figures['recomputed_ms']:,.0f} ms, {figures['share']:.2f} of the memory"
    )


@command.command
@click.argument("dataset", type=Registered("dataset"))
@click.argument("models", nargs=-1, type=Registered("model"))
@click.option("--split", default="test", show_default=True, help="Split of the dataset.")
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Only so many images, drawn from the split by a fixed seed. [all]",
)
@data_option
@json_option
def coders(
    dataset: str,
    models: tuple[str, ...],
    split: str,
    images: int | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Measures PNG and WebP on a dataset, and the bounds of MODELS on the same images.

    Image by image, in bits per dimension, lower is better: a model that does not beat a coder has
    not learned more of the images than what all images have in common. Each image is a file of its
    own, whose header counts; a model's own size is not counted.

    \b
    drawzoo bench coders svhn-10k
    drawzoo bench coders svhn-10k local-dir:runs/draw local-dir:runs/convdraw
    """
    import functools

    from drawzoo import ConfigError, evaluate, load_dataset
    from drawzoo.commands import data_root, load_models, print_json, print_table, progress

    loaded = load_models(models)
    for name, model in loaded.items():
        if not (model.likelihood.is_bound and model.likelihood.bits_per_dimension):
            raise ConfigError(
                f"{name} has no bits per dimension: its likelihood is no density of 256 levels; "
                "leave it out"
            )
    from drawzoo_bench.coders import code

    # An own folder's images are fitted to the size that a model takes.
    size = next((model.config.image for model in loaded.values()), (3, 32, 32))
    chosen = load_dataset(dataset, split, data_root(data), image=size)
    if images:
        chosen = chosen.subset(images)
    rows = [row._asdict() for row in code(chosen, functools.partial(progress, what="coders"))]
    for name, model in loaded.items():
        shown = functools.partial(progress, what=name)
        figure = evaluate(model, "bound", chosen, dataset=dataset, split=split, progress=shown)
        share = figure.bits_per_dimension / figure.nats_mean
        rows.append(
            {
                "coder": name,
                "bits_per_dimension": figure.bits_per_dimension,
                "stderr": share * figure.nats_stderr,
            }
        )
    for row in rows:
        row |= {key: round(row[key], 4) for key in ("bits_per_dimension", "stderr")}
    if as_json:
        measured = {"dataset": dataset, "split": split, "images": len(chosen.pixels)}
        print_json(measured | {"coders": rows}, indent=2)
        return
    cells = [[r["coder"], f"{r['bits_per_dimension']:.2f} ± {r['stderr']:.2f}"] for r in rows]
    print_table(["coder", "bits per dimension"], cells)
    click.echo(f"of {len(chosen.pixels):,} images of {dataset} {split}", err=True)


@command.command
@_options(batch=100, compile=False)
@click.option(
    "--out",
    type=OutputFile(".png"),
    default=Path("scaling.png"),
    show_default="scaling.png, with a number if that is there",
    help="The plot (PNG).",
)
def scaling(out: Path, **options: Any) -> None:
    """Measures a training step against T, batch, units and pixels, and plots it."""
    import functools

    from drawzoo.commands import check_writable, print_json, progress

    check_writable(out)
    config = _prepared(options)
    from drawzoo_bench.scaling import plot
    from drawzoo_bench.scaling import scaling as measure

    records = measure(
        config,
        batch=options["batch"],
        compile=options["compile"],
        device=options["device"],
        seconds=options["seconds"] / 10,
        progress=functools.partial(progress, what=config.name),
    )
    plot(records, out, f"{config.name}: a training step of {options['batch']} images")
    if options["as_json"]:
        print_json(records, indent=2)
    else:
        for record in records:
            click.echo(
                f"{record['axis']:7}{record['value']:5}  {record['step_ms']:9.2f} ms a training "
                f"step, {record['ms_per_drawing_step']:.3f} ms a step of drawing, "
                f"{record['us_per_image']:.1f} µs an image; floor {record['gemm_floor_ms']:.2f} ms"
            )
    click.echo(f"plotted in {out}", err=True)


@command.command
@_options(batch=128, compile=True, seconds=False)
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
@click.option(
    "--out",
    type=OutputFile(".png"),
    default=Path("quality.png"),
    show_default="quality.png, with a number if that is there",
    help="The plot (PNG).",
)
def quality(
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
    config = _prepared(options)
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


def _prepared(options: dict[str, Any]) -> ModelConfig:
    """The model to measure, after what the options say of the machine."""
    from drawzoo import build, model_config
    from drawzoo.commands import check_config, override, parse_setting

    config = override(model_config(options["model"]), dict(map(parse_setting, options["settings"])))
    check_config(config)

    import torch

    check_device(options["device"])
    if options["threads"]:
        torch.set_num_threads(options["threads"])
    with torch.device("meta"):
        return build(config).config


def _bench(kind: Any, **options: Any) -> None:
    from drawzoo.commands import print_json

    config = _prepared(options)
    from drawzoo_bench.workloads import bench

    def measure(batch: int, seconds: float) -> dict[str, Any]:
        return bench(
            kind,
            config,
            batch=batch,
            device=options["device"],
            compile=options["compile"],
            seconds=seconds,
        )

    figures = measure(options["batch"], options["seconds"])
    if kind == "sample":
        found = {options["batch"]: figures["images_per_s"]}
        for batch in SAMPLE_BATCHES:
            if batch not in found:
                found[batch] = measure(batch, options["seconds"] / 4)["images_per_s"]
        figures["best_batch"] = max(found, key=lambda batch: found[batch])
        figures["best_images_per_s"] = found[figures["best_batch"]]
    if options["as_json"]:
        print_json(figures, indent=2)
        return
    how = f"compiled in {figures['compile_s']:.0f} s" if figures["compile"] else "eager"
    if figures["peak_memory_mb"] is not None:
        how += f"; peak memory {figures['peak_memory_mb']:,.0f} MB"
    click.echo(
        f"{config.name}: {figures['step_ms']:.2f} ms ± {figures['step_spread']:.0%} for a batch "
        f"of {figures['batch']}, {figures['images_per_s']:,.0f} images/s; its matrix products "
        f"alone {figures['gemm_floor_ms']:.2f} ms, ratio {figures['floor_ratio']:.2f} "
        f"({figures['device']}, {figures['threads']} threads, {how})"
    )
    if kind == "sample":
        click.echo(
            f"best at a batch of {figures['best_batch']}: {figures['best_images_per_s']:,.0f} "
            "images/s"
        )
