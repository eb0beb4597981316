"""`drawzoo compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drawzoo.commands import OutputFile, Registered, check_gif, json_option
from drawzoo_analysis.source import IMAGE, Source, source_options


@click.command
@click.argument(
    "models", nargs=-1, required=True, metavar="MODEL MODEL...", type=Registered("model")
)
@click.option(
    "--image",
    type=IMAGE,
    help="Draw this image again: a file, or the number of one of --dataset.",
)
@source_options
@click.option(
    "--num",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="New drawings of each model; several are shown finished, one step by step.",
)
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
    default=Path("comparison.png"),
    show_default="comparison.png, with a number if that is there",
    help="A row for each model (PNG).",
)
@click.option("--gif", type=OutputFile(".gif"), help="The models side by side, animated (GIF).")
@json_option
def command(
    models: tuple[str, ...],
    image: str | None,
    dataset: str,
    split: str,
    data: Path | None,
    transform: str | None,
    num: int,
    seed: int,
    rng: str,
    out: Path,
    gif: Path | None,
    as_json: bool,
) -> None:
    """Compares models: the same seed, or the same image, through each of them.

    From nothing, each draws what `drawzoo sample --seed` draws; an --image is fitted to each
    model's canvas, drawn again and measured as by `drawzoo reconstruct`. Models of other sizes and
    colours are shown beside each other too. The table has each model's published bound and, with
    an --image, the bound of that image.

    \b
    drawzoo compare draw-t1-mnist draw-t5-mnist draw-mnist --seed 3
    drawzoo compare draw-mnist model3-mnist --image my-seven.jpg --gif both.gif
    """
    from drawzoo.commands import check_writable, load_models, print_json, print_table, write_atomic

    if len(set(models)) < 2:
        raise click.UsageError("name two different models or more to compare")
    if image is not None and num > 1:
        raise click.UsageError("--num is for new drawings; leave it out, or --image")
    for path in filter(None, (out, gif)):
        check_writable(path)
    source = Source(dataset, split, data, transform)
    source.check(() if image is None else (image,))
    loaded = load_models(models)
    if gif:
        largest = max((one.config.image for one in loaded.values()), key=lambda shape: shape[1:])
        check_gif(max(one.steps for one in loaded.values()), len(loaded) * num, largest)

    from drawzoo.commands import bits_per_dimension, plus_minus, progress
    from drawzoo_analysis.comparison import (
        comparable,
        comparison_gif,
        comparison_sheet,
        draw,
        draw_again,
    )
    from drawzoo_analysis.parameters import published_bound

    what = f"seed {seed}"
    compared = []
    # The image is fitted to each before the first draws, so that all that is wrong is said.
    fitted = {}
    if image is not None:
        for name, model in loaded.items():
            fitted[name], (what,) = source.choose(model, (image,))
    for name in progress(list(loaded), what="models"):
        if image is None:
            compared.append(draw(name, loaded[name], num, seed, rng))
        else:
            compared.append(draw_again(name, loaded[name], fitted[name], seed, rng))
    write_atomic(out, comparison_sheet(compared, what))
    click.echo(f"{what}, by {len(compared)} models, in {out}", err=True)
    if gif:
        write_atomic(gif, comparison_gif(compared))
        click.echo(f"the same, step by step, in {gif}", err=True)
    if not comparable(compared):
        click.echo(
            "Note: the models do not see the same pixels, so their bounds cannot be compared",
            err=True,
        )
    rows: list[dict[str, Any]] = []
    for one in compared:
        model = loaded[one.name]
        figure = published_bound(one.name, model.config.dataset)
        rows.append(
            {
                "model": one.name,
                "steps": model.steps,
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
                "dataset": model.config.dataset,
                "bound_nats": figure and figure.nats_mean,
                "bound_stderr": figure and figure.nats_stderr,
            }
        )
        if (bound := one.bound) is not None:
            rows[-1] |= {
                "nats": bound.nats.item(),
                "kl": bound.kl.sum().item(),
                "reconstruction": bound.reconstruction.item(),
                "kl_steps": bound.kl[:, 0].tolist(),
            }
            if (bits := bits_per_dimension(model, bound.nats.item())) is not None:
                rows[-1]["bits_per_dimension"] = bits
    if as_json:
        print_json({"seed": seed, "image": image, "models": rows}, indent=2)
        return
    header = ["model", "T", "parameters", "data", "published bound, nats"]
    cells = [
        [
            row["model"],
            str(row["steps"]),
            f"{row['parameters']:,}",
            row["dataset"],
            "" if row["bound_nats"] is None else plus_minus(row["bound_nats"], row["bound_stderr"]),
        ]
        for row in rows
    ]
    if image is not None:
        header += [f"{what}: bound, nats", "KL", "reconstruction"]
        for row, line in zip(rows, cells, strict=True):
            keys = ("nats", "kl", "reconstruction")
            line += [f"{row[key]:.2f}" if key in row else "" for key in keys]
        if any("bits_per_dimension" in row for row in rows):
            header.append("bits per dimension")
            for row, line in zip(rows, cells, strict=True):
                bits = row.get("bits_per_dimension")
                line.append("" if bits is None else f"{bits:.3f}")
    print_table(header, cells, drop=["parameters", "reconstruction", "KL"])
