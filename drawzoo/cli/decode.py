"""`drawzoo decode`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.options import OutputFile

MAX_NUM = 10_000
"""Drawings in one picture; it bounds the memory."""
GIF_NUM = 100


@click.command
@click.argument("model")
@click.argument("codes", type=click.Path(path_type=Path))
@click.option("--num", type=click.IntRange(1, MAX_NUM), help="Draw the first codes. [all]")
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

    from drawzoo.cli.loading import load_model
    from drawzoo.errors import DataError
    from drawzoo.files import check_readable, check_writable, write_atomic

    for path in filter(None, (out, gif)):
        check_writable(path)
    check_readable(codes)
    loaded = load_model(model)

    import torch

    from drawzoo.analysis.codes import read_z
    from drawzoo.render.animation import gif as animate
    from drawzoo.render.grid import grid, png, roomy_scale
    from drawzoo.sampling import CHUNK

    z = read_z(codes, loaded)[:, :num]
    if z.shape[1] > MAX_NUM:
        raise DataError(
            f"{codes} holds {z.shape[1]:,} codes, too many for one picture; "
            f"choose the first with --num, at most {MAX_NUM:,}"
        )
    first = loaded.decode(z[:, :GIF_NUM])
    images = [first.images[-1]]
    with warnings.catch_warnings():
        # What there is to say of the number of steps has been said.
        warnings.simplefilter("ignore")
        for start in range(GIF_NUM, z.shape[1], CHUNK):
            images.append(loaded.decode(z[:, start : start + CHUNK]).images[-1])
    whole = torch.cat(images)
    write_atomic(out, png(grid(whole, roomy_scale(whole))))
    click.echo(f"{len(whole)} drawings in {out}", err=True)
    if gif:
        write_atomic(gif, animate(first))
        click.echo(f"{first.images.shape[1]} of them, step by step, in {gif}", err=True)
