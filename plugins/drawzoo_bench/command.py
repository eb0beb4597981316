"""`drawzoo bench`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drawzoo.commands import OutputFile, check_device, json_option

if TYPE_CHECKING:
    from drawzoo import ModelConfig

SAMPLE_BATCHES = (100, 250, 500, 1000, 2000)
"""Tried by `bench sample` for the best one."""


@click.group
def command() -> None:
    """Measures speed, and in the same minutes the model's matrix products alone: the floor.

    The model has new weights and random images: nothing is downloaded.
    """


def _options(batch: int, compile: bool) -> Callable[[Any], Any]:
    options = [
        click.argument("model"),
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
        click.option(
            "--seconds",
            type=click.FloatRange(0, 3600),
            default=10,
            show_default=True,
            help="For the measurement, compilation and warm-up apart.",
        ),
        json_option,
    ]

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
    click.echo(
        f"{config.name}: {figures['step_ms']:.2f} ms ± {figures['step_spread']:.0%} for a batch "
        f"of {figures['batch']}, {figures['images_per_s']:,.0f} images/s; its matrix products "
        f"alone {figures['gemm_floor_ms']:.2f} ms, ratio {figures['floor_ratio']:.2f} "
        f"({figures['device']}, {figures['threads']} threads, "
        f"{how}; "
        f"peak memory {figures['peak_memory_mb']:,.0f} MB)"
    )
    if kind == "sample":
        click.echo(
            f"best at a batch of {figures['best_batch']}: {figures['best_images_per_s']:,.0f} "
            "images/s"
        )
