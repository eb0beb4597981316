"""`drawzoo decode`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.commands import OutputFile, Registered, check_gif

GIF_NUM = 100
CHUNK = 100
"""Drawings between two movements of the bar."""
SLOW_STEPS = 256


@click.command
@click.argument("model", type=Registered("model"))
@click.argument("codes", type=click.Path(path_type=Path))
@click.option("--num", type=click.IntRange(1, 10_000), help="Draw the first codes. [all]")
@click.option(
    "--out",
    type=OutputFile(".png"),
    default=Path("decoded.png"),
    show_default="decoded.png, with a number if that is there",
    help="Grid of the drawings (PNG).",
)
@click.option("--gif", type=OutputFile(".gif"), help="The drawings, step by step (GIF).")
def command(model: str, codes: Path, num: int | None, out: Path, gif: Path | None) -> None:
    """Draws what the latent CODES in a file stand for, as `drawzoo encode` writes them.

    Of your own codes, only the tensor z [T, N, Z] is needed.
    """
    import warnings

    from drawzoo.commands import (
        check_readable,
        check_writable,
        counted,
        load_model,
        progress,
        write_atomic,
    )

    for path in filter(None, (out, gif)):
        check_writable(path)
    check_readable(codes)
    loaded = load_model(model)

    import torch

    from drawzoo.commands import animate, grid, png, roomy_scale
    from drawzoo_analysis.codes import read_z

    z = read_z(codes, loaded, num)
    steps, count = z.shape[:2]
    if gif:
        check_gif(steps, min(count, GIF_NUM), loaded.config.image)
    first = loaded.decode(z[:, :GIF_NUM]) if gif else None
    images = []
    # Where there are many steps the bar would stand still for long.
    chunk = CHUNK if steps <= SLOW_STEPS else CHUNK // 4
    for start in progress(range(0, count, chunk), what=model):
        with warnings.catch_warnings():
            if start or first:
                # What there is to say of the number of steps has been said.
                warnings.simplefilter("ignore")
            images.append(loaded.finished(z[:, start : start + chunk]))
    whole = torch.cat(images)
    write_atomic(out, png(grid(whole, roomy_scale(whole))))
    click.echo(f"{counted(len(whole), 'drawing')} in {out}", err=True)
    if gif and first:
        write_atomic(gif, animate(first, title=model))
        click.echo(f"{first.images.shape[1]} of them, step by step, in {gif}", err=True)
