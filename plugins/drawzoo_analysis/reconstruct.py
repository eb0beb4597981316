"""`drawzoo reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drawzoo.commands import OutputFile, Registered, json_option
from drawzoo_analysis.source import IMAGE, Source, source_options

MAX_IMAGES = 100
"""Rows in one picture."""


@click.command
@click.argument("model", type=Registered("model"))
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=IMAGE)
@source_options
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--rng",
    type=click.Choice(["torch", "counter"]),
    default="torch",
    show_default=True,
    help="Where noise comes from: torch, or a counter, as in the page of drawzoo site.",
)
@click.option(
    "--out",
    type=OutputFile(".png"),
    default=Path("reconstruction.png"),
    show_default="reconstruction.png, with a number if that is there",
    help="Each image, what the model saw, and its canvas after each step (PNG).",
)
@click.option("--gif", type=OutputFile(".gif"), help="The same with windows (GIF).")
@json_option
def command(
    model: str,
    images: tuple[str, ...],
    dataset: str,
    split: str,
    data: Path | None,
    transform: str | None,
    seed: int,
    rng: str,
    out: Path,
    gif: Path | None,
    as_json: bool,
) -> None:
    """Draws your own images again, step by step, and measures the bound of each.

    An IMAGE is a file, or the number of an image of --dataset. Files may have any size, colours,
    and a light or dark ground. The transform strokes takes what stands out from the ground around
    it as light strokes on black, crops to them, fits them into 20/28 of the canvas and centres
    their mass, as MNIST was made; photo covers the canvas with the middle of the picture and
    changes no colours; none takes files of the canvas's size as they are. Pixels of one channel
    then become binary, sampled with their grey values as probabilities, as in mnist.

    \b
    drawzoo reconstruct draw-mnist my-seven.jpg my-two.png --gif drawing.gif
    """
    import functools

    from drawzoo.commands import (
        check_writable,
        counted,
        load_model,
        print_json,
        print_table,
        progress,
        write_atomic,
    )

    if len(images) > MAX_IMAGES:
        raise click.UsageError(f"{len(images)} images are too many for one picture: {MAX_IMAGES}")
    for path in filter(None, (out, gif)):
        check_writable(path)
    source = Source(dataset, split, data, transform)
    source.check(images)
    loaded = load_model(model)

    import torch

    from drawzoo.commands import animate, bits_per_dimension, join
    from drawzoo_analysis.reconstruction import reconstructions
    from drawzoo_analysis.sheets import reconstruction_sheet

    chosen, names = source.choose(loaded, images)
    results = reconstructions(
        loaded, chosen, seed=seed, rng=rng, progress=functools.partial(progress, what=model)
    )
    write_atomic(out, reconstruction_sheet(results, names, model))
    click.echo(f"{counted(len(results), 'image')}, step by step, in {out}", err=True)
    if gif:
        inputs = torch.cat([result.x for result in results])
        drawing = join([result.drawing for result in results])
        write_atomic(gif, animate(drawing, title=model, inputs=inputs))
        click.echo(f"the same with windows in {gif}", err=True)
    rows: list[dict[str, Any]] = [
        {
            "image": image,
            "nats": result.bound.nats.item(),
            "kl": result.bound.kl.sum().item(),
            "reconstruction": result.bound.reconstruction.item(),
            "kl_steps": result.bound.kl[:, 0].tolist(),
        }
        for image, result in zip(images, results, strict=True)
    ]
    columns = {"nats": ("bound, nats", 2), "kl": ("KL", 2), "reconstruction": ("reconstruction", 2)}
    for row in rows:
        # For all images, or for none.
        if (bits := bits_per_dimension(loaded, row["nats"])) is not None:
            row["bits_per_dimension"] = bits
            columns["bits_per_dimension"] = ("bits per dimension", 3)
    if as_json:
        print_json({"model": model, "seed": seed, "images": rows}, indent=2)
    else:
        print_table(
            ["image", *(heading for heading, _ in columns.values())],
            [
                [name, *(f"{row[key]:.{digits}f}" for key, (_, digits) in columns.items())]
                for name, row in zip(names, rows, strict=True)
            ],
        )
