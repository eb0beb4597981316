"""`drawzoo sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drawzoo.cli.completion import Registered
from drawzoo.cli.options import OutputFile
from drawzoo.errors import counted

if TYPE_CHECKING:
    from drawzoo.store.shards import Format

MAX_NUM = 10_000
"""Drawings in one picture; it bounds the memory."""
GROUP_NUM = 500
"""Drawings at once, of which a bar tells: the engine's own groups, so that not a bit differs."""
GIF_NUM = 100
SHOWN = 16


@click.command
@click.argument("model", default="model2-mnist", type=Registered("model"))
@click.option("--num", type=click.IntRange(1, 10**12), default=64, show_default=True)
@click.option("--steps", type=click.IntRange(1, 4096), help="Steps to draw. [the model's T]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--out",
    type=OutputFile(".png", or_folder=True),
    default=Path("samples.png"),
    show_default="samples.png, with a number if that is there",
    help="Grid of the drawings (PNG), or a folder for shards of them.",
)
@click.option(
    "--format",
    type=click.Choice(["safetensors", "png"]),
    default="safetensors",
    show_default=True,
    help="Of the shards: safetensors, or tar files of PNGs.",
)
@click.option("--gif", type=OutputFile(".gif"), help="The drawings, step by step (GIF).")
@click.option("--show/--no-show", default=None, help="Picture in the terminal. [if it is one]")
@click.option(
    "--rng",
    type=click.Choice(["torch", "counter"]),
    default="torch",
    show_default=True,
    help="Where noise comes from: torch, or a counter, as in the page of drawzoo site.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    help="What the noise of --rng counter is multiplied by. [1]",
)
@click.option("--compile", is_flag=True, help="Compile the decoder; on two cores not faster.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
def command(
    model: str,
    num: int,
    steps: int | None,
    seed: int,
    out: Path,
    format: Format,
    gif: Path | None,
    show: bool | None,
    rng: str,
    temperature: float | None,
    compile: bool,
    device: str,
) -> None:
    """Draws new images with MODEL (model2-mnist unless named) and saves them as a grid.

    The same seed gives the same drawings; fewer --steps give an earlier stage of them. An --out
    without a suffix, or a folder that is there, gets them in shards of 10,000, as pixels from 0 to
    255, any number of them; the same command again goes on where it was interrupted.

    \b
    drawzoo sample --num 16 --out digits.png
    drawzoo sample draw-mnist --num 1000000 --out digits
    torchrun --nproc-per-node 2 -m drawzoo -- sample draw-mnist --num 1000000 --out digits
    """
    import sys
    import warnings

    from drawzoo.cli.loading import model_folder
    from drawzoo.cli.options import check_gif
    from drawzoo.disk.atomic import check_writable, write_atomic
    from drawzoo.store.validate import read_config

    if temperature is not None and rng != "counter":
        raise click.UsageError("--temperature is for the noise of --rng counter; say that too")
    if out.is_dir() or not (out.suffix or out.exists()):
        if gif or show:
            raise click.UsageError(f"{out} is a folder for shards, which have no --gif or --show")
        if rng != "torch":
            raise click.UsageError(f"{out} is a folder for shards, whose noise is torch's alone")
        _shards(model, out, num, steps, seed, format, compile, device)
        return
    if num > MAX_NUM:
        raise click.UsageError(
            f"--num {num} is too many for one picture, at most {MAX_NUM}; name a folder as --out "
            "to get shards"
        )
    # What cannot be written is said before anything is computed.
    for path in filter(None, (out, gif)):
        check_writable(path)
    folder = model_folder(model)
    if gif:
        config = read_config(folder)
        check_gif(steps or config.steps, min(num, GIF_NUM), config.image)

    import torch

    from drawzoo.cli.options import check_device
    from drawzoo.cli.progress import progress
    from drawzoo.engine.counter import Counter, Randomness
    from drawzoo.render.grid import grid, png, roomy_scale
    from drawzoo.store.weights import read_model

    check_device(device)
    loaded = read_model(folder).to(device)
    if compile:
        from drawzoo.engine.compilation import compile_sampling

        compile_sampling(loaded)
    generator = torch.Generator().manual_seed(seed)

    def source(first: int) -> Randomness:
        if rng == "counter":
            return Counter(seed, 1.0 if temperature is None else temperature, first=first)
        return generator

    groups = []
    for start in progress(range(0, num, GROUP_NUM), what=model):
        with warnings.catch_warnings():
            if start:
                # What there is to say of the number of steps has been said.
                warnings.simplefilter("ignore")
            count = min(GROUP_NUM, num - start)
            groups.append(loaded.sample(count, steps=steps, generator=source(start)).cpu())
    images = torch.cat(groups)
    if gif:
        from drawzoo.render.animation import gif as animate

        # The first images of the same seed are the same drawings.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            generator.manual_seed(seed)
            drawing = loaded.draw(min(num, GIF_NUM), steps=steps, generator=source(0))
    write_atomic(out, png(grid(images, roomy_scale(images))))
    if show if show is not None else sys.stdout.isatty():
        from rich.console import Console

        from drawzoo.render.terminal import show as show_picture

        show_picture(grid(images[:SHOWN]), Console())
    click.echo(f"{counted(num, 'drawing')} in {out}", err=True)
    if gif:
        write_atomic(gif, animate(drawing, title=model))
        click.echo(f"{min(num, GIF_NUM)} of them, step by step, in {gif}", err=True)


def _shards(
    model: str,
    out: Path,
    num: int,
    steps: int | None,
    seed: int,
    format: Format,
    compile: bool,
    device: str,
) -> None:
    import functools

    from drawzoo.cli.loading import model_folder

    folder = model_folder(model)

    from drawzoo.cli.options import check_device
    from drawzoo.cli.progress import progress
    from drawzoo.disk.atomic import no_empty_folder
    from drawzoo.engine.compilation import compile_sampling
    from drawzoo.engine.world import world
    from drawzoo.store.shards import write_shards
    from drawzoo.store.weights import read_model

    check_device(device)
    with no_empty_folder(out), world(device) as (processes, device):
        loaded = read_model(folder).to(device)
        if compile:
            compile_sampling(loaded)
        write_shards(
            loaded,
            out,
            num,
            seed=seed,
            steps=steps,
            format=format,
            name=model,
            world=processes,
            progress=functools.partial(progress, what=model, shown=processes.leads),
        )
        # The others' shards, too, are there when it says so.
        processes.any(False, device)
    if processes.leads:
        click.echo(f"{counted(num, 'drawing')} in {out}", err=True)
