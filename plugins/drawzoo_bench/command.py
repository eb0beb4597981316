"""`drawzoo bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drawzoo.commands import Registered, data_option, json_option
from drawzoo_bench.options import plot_option, prepared, shared_options

SAMPLE_BATCHES = (100, 250, 500, 1000, 2000)
"""Tried by `bench sample` for the best one."""


@click.group
def command() -> None:
    """Measures speed, and in the same minutes the model's matrix products alone: the floor.

    The model has new weights and random images, so that nothing is downloaded; but quality trains
    on the model's own data.
    """


@command.command
@shared_options(batch=100, compile=True)
def train(**options: Any) -> None:
    """Times a whole training step: binarisation, forward and backward, clipping, optimiser."""
    _bench("train", **options)


@command.command
@shared_options(batch=250, compile=False)
def evaluate(**options: Any) -> None:
    """Times the bound of a batch of images."""
    _bench("evaluate", **options)


@command.command
@shared_options(batch=100, compile=False)
def sample(**options: Any) -> None:
    """Times drawing from the prior, at --batch and at larger ones for the best."""
    _bench("sample", **options)


@command.command
@shared_options(batch=32, compile=False, seconds=False)
def memory(**options: Any) -> None:
    """Measures the memory of a training step, with and without drawzoo train --recompute.

    Weights and optimiser are not counted.

    \b
    drawzoo bench memory draw-svhn54 --set steps=64 --set image=[3,64,64]
    """
    from drawzoo.commands import print_json

    config = prepared(options)
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
@shared_options(batch=100, compile=False)
@plot_option("scaling.png")
def scaling(out: Path, **options: Any) -> None:
    """Measures a training step against T, batch, units and pixels, and plots it."""
    import functools

    from drawzoo.commands import check_writable, print_json, progress

    check_writable(out)
    config = prepared(options)
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


def _bench(kind: Any, **options: Any) -> None:
    from drawzoo.commands import print_json

    config = prepared(options)
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
