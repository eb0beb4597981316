"""`drawzoo analyze`: a command for each way to look into a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from drawzoo.commands import OutputFile, Registered, json_option
from drawzoo_analysis.source import IMAGE, Source, source_options

F = TypeVar("F", bound=Callable[..., Any])

SEED = click.IntRange(0, 2**63 - 1)
seed_option = click.option("--seed", type=SEED, default=0, show_default=True)


def out_option(default: str) -> Callable[[F], F]:
    """`--out`, the picture."""
    return click.option(
        "--out",
        type=OutputFile(".png"),
        default=Path(default),
        show_default=f"{default}, with a number if that is there",
        help="The picture (PNG).",
    )


@click.group
def command() -> None:
    """Looks into models: each command makes a picture, and prints what it shows as numbers.

    An IMAGE is a file, fitted as by `drawzoo reconstruct`, or the number of an image of --dataset.
    """


@command.command
@click.argument("model", type=Registered("model"))
@click.argument("image", default="0", type=IMAGE)
@source_options
@click.option(
    "--num",
    type=click.IntRange(1, 10_000),
    default=256,
    show_default=True,
    help="Images of the split to average over, at most.",
)
@click.option(
    "--variants", type=click.IntRange(1, 20), default=6, show_default=True, help="New codes a step."
)
@seed_option
@out_option("steps.png")
@json_option
def steps(
    model: str,
    image: str,
    dataset: str,
    split: str,
    data: Path | None,
    transform: str | None,
    num: int,
    variants: int,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Shows what the latent code of each time step does.

    A row a step: IMAGE drawn again with that step's code alone set to zero, or drawn anew from the
    prior. The charts are of many images: the nats of each step's code, KL(Q_t ‖ P), and how much
    the finished image changes, as the mean over its pixels.
    """
    import functools

    from drawzoo.commands import (
        check_writable,
        load_model,
        print_json,
        print_table,
        progress,
        write_atomic,
    )

    check_writable(out)
    source = Source(dataset, split, data, transform)
    source.check((image,))
    loaded = load_model(model)

    import torch

    from drawzoo.commands import seeded
    from drawzoo_analysis.effects import step_effects, step_variants
    from drawzoo_analysis.reconstruction import reconstructions
    from drawzoo_analysis.sheets import steps_sheet

    whole = source.split_images(loaded)
    chosen, names = source.choose(loaded, (image,))
    base = reconstructions(loaded, chosen, seed=seed)[0]
    count = min(num, len(whole.pixels))
    effects = step_effects(
        loaded, whole, count, seed=seed, progress=functools.partial(progress, what="step")
    )
    z = base.codes.z
    fresh = loaded.noise(variants, len(z), seeded(seed, "fresh"))
    picture = steps_sheet(
        base.drawing.images[-1],
        step_variants(loaded, z, torch.zeros_like(z)),
        step_variants(loaded, z, fresh),
        effects,
        names[0],
        model,
    )
    write_atomic(out, picture)
    click.echo(f"the effect of each step of {model} in {out}", err=True)
    rows = [
        {
            "step": t + 1,
            "nats": effects.nats[t].mean().item(),
            "nats_stderr": effects.nats[t].std(correction=0).item() / count**0.5,
            "change_removed": effects.removed[t].mean().item(),
            "change_replaced": effects.replaced[t].mean().item(),
        }
        for t in range(len(z))
    ]
    if as_json:
        facts = {"dataset": dataset, "split": split, "images": count, "seed": seed, "steps": rows}
        print_json({"model": model} | facts, indent=2)
        return
    print_table(
        ["step", "nats", "change without", "change anew"],
        [
            [
                str(row["step"]),
                f"{row['nats']:.2f} ± {row['nats_stderr']:.2f}",
                f"{row['change_removed']:.4f}",
                f"{row['change_replaced']:.4f}",
            ]
            for row in rows
        ],
    )


@command.command
@click.argument("model", type=Registered("model"))
@click.argument("start", default="0", type=IMAGE)
@click.argument("end", default="1", type=IMAGE)
@click.option("--seeds", is_flag=True, help="START and END are seeds of new drawings.")
@source_options
@click.option(
    "--num",
    type=click.IntRange(2, 100),
    default=11,
    show_default=True,
    help="Images on the way, ends included.",
)
@seed_option
@out_option("interpolation.png")
@click.option("--gif", type=OutputFile(".gif"), help="The same as an animation (GIF).")
@json_option
def interpolate(
    model: str,
    start: str,
    end: str,
    seeds: bool,
    dataset: str,
    split: str,
    data: Path | None,
    transform: str | None,
    num: int,
    seed: int,
    out: Path,
    gif: Path | None,
    as_json: bool,
) -> None:
    """Goes from one image's codes to another's, straight and along great circles.

    START and END are images, or with --seeds the seeds of two drawings from the prior, as
    `drawzoo sample --num 1 --seed` draws them. Each step's code moves by itself. The ends are
    exactly the images' reconstructions.
    """
    from drawzoo.commands import check_writable, load_model, print_json, write_atomic

    for path in filter(None, (out, gif)):
        check_writable(path)
    source = Source(dataset, split, data, transform)
    numbers = [SEED(text) for text in (start, end)] if seeds else []
    source.check(() if seeds else (start, end))
    loaded = load_model(model)

    import torch

    from drawzoo import Drawing
    from drawzoo.commands import animate
    from drawzoo_analysis.interpolation import interpolate as between
    from drawzoo_analysis.reconstruction import reconstructions
    from drawzoo_analysis.sheets import interpolation_sheet

    ends = None
    if seeds:
        names = [f"seed {seed}" for seed in (start, end)]
        codes = [
            loaded.prior(1, generator=torch.Generator().manual_seed(number)) for number in numbers
        ]
    else:
        chosen, names = source.choose(loaded, (start, end))
        results = reconstructions(loaded, chosen, seed=seed)
        codes = [result.codes.z for result in results]
        ends = (results[0].x, results[1].x)
    drawings = between(loaded, codes[0], codes[1], num)
    write_atomic(out, interpolation_sheet(drawings, ends, (names[0], names[1]), model))
    click.echo(f"from {names[0]} to {names[1]} in {out}", err=True)
    if gif:
        # A frame for each image on the way; the methods side by side.
        images = torch.stack([drawing.images[-1] for drawing in drawings.values()], dim=1)
        captions = [f"{' | '.join(drawings)}: {i / (num - 1):.2f}" for i in range(num)]
        inputs = None if ends is None else torch.cat(ends)
        drawing = Drawing(images, images, None, None)
        animation = animate(drawing, title=model, inputs=inputs, captions=captions)
        write_atomic(gif, animation)
        click.echo(f"the same as an animation, {' and '.join(drawings)}, in {gif}", err=True)
    # How far each image is from the one before it, as the mean over its pixels.
    changes = {
        name: drawing.images[-1].diff(dim=0).abs().flatten(1).mean(dim=1)
        for name, drawing in drawings.items()
    }
    if as_json:
        facts = {
            "model": model,
            "from": names[0],
            "to": names[1],
            "seed": None if seeds else seed,
            "weights": [i / (num - 1) for i in range(num)],
            "change": {name: change.tolist() for name, change in changes.items()},
        }
        print_json(facts, indent=2)
        return
    for name, change in changes.items():
        click.echo(
            f"{name}: from image to image a pixel changes by {change.mean():.4f} on average, "
            f"at most {change.max():.4f}"
        )


@command.command
@click.argument("model", type=Registered("model"))
@click.argument("images", nargs=-1, metavar="[IMAGE]...", type=IMAGE)
@source_options
@click.option(
    "--num",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    help="New drawings to show, and images of the split if none is named.",
)
@seed_option
@out_option("attention.png")
@json_option
def attention(
    model: str,
    images: tuple[str, ...],
    dataset: str,
    split: str,
    data: Path | None,
    transform: str | None,
    num: int,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Shows the windows through which a model reads and writes, step by step, and their path.

    Once for each IMAGE drawn again, and for new drawings, as `drawzoo sample --seed` draws them.
    """
    from drawzoo.commands import check_writable, load_model, print_json, write_atomic

    check_writable(out)
    named = images or tuple(map(str, range(num)))
    source = Source(dataset, split, data, transform)
    source.check(named)
    loaded = load_model(model)

    import torch

    from drawzoo.commands import join
    from drawzoo_analysis.path import check_windows, path
    from drawzoo_analysis.reconstruction import reconstructions
    from drawzoo_analysis.sheets import attention_sheet

    sampled = loaded.draw(num, generator=torch.Generator().manual_seed(seed))
    chosen, names = source.choose(loaded, named)
    results = reconstructions(loaded, chosen, seed=seed)
    drawn = join([result.drawing for result in results])
    check_windows(model, drawn)
    x = torch.cat([result.x for result in results])
    write_atomic(out, attention_sheet(x, drawn, sampled, names, model))
    click.echo(f"the windows of {model} in {out}", err=True)
    courses: list[dict[str, Any]] = [
        {
            "image": name,
            **{
                what: [look._asdict() for look in path(windows, index)] if windows else None
                for what, windows in (("reads", drawing.reads), ("writes", drawing.writes))
            },
        }
        for drawing, called in ((drawn, names), (sampled, [f"new {i + 1}" for i in range(num)]))
        for index, name in enumerate(called)
    ]
    if as_json:
        print_json({"model": model, "seed": seed, "images": courses}, indent=2)
    else:
        for course in courses:
            for what in ("reads", "writes"):
                if looks := course[what]:
                    points = " ".join(f"({x['gx']:.1f},{x['gy']:.1f})" for x in looks)
                    click.echo(f"{course['image']} {what}: {points}")
