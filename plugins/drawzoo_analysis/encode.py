"""`drawzoo encode`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.commands import OutputFile, Registered
from drawzoo_analysis.source import Source, images_argument, source_options


@click.command
@click.argument("model", type=Registered("model"))
@images_argument
@source_options
@click.option("--num", type=click.IntRange(1), help="Encode the first images. [all of the split]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--out",
    type=OutputFile(".safetensors"),
    default=Path("codes.safetensors"),
    show_default="codes.safetensors, with a number if that is there",
    help="The codes (safetensors).",
)
def command(
    model: str,
    images: tuple[str, ...],
    dataset: str,
    split: str,
    data: Path | None,
    transform: str | None,
    num: int | None,
    seed: int,
    out: Path,
) -> None:
    """Writes the latent codes of a split's images, or of each IMAGE, in a file.

    An IMAGE is a file, or the number of an image of --dataset. The file has z, mean and log_std,
    [T, N, Z] each, the images' index and, if there are any, labels.

    \b
    drawzoo encode draw-mnist --num 100 --out codes.safetensors
    drawzoo decode draw-mnist codes.safetensors --out images.png
    """
    import functools

    from drawzoo.commands import check_writable, counted, load_model, progress

    if images and num:
        raise click.UsageError("--num is for a whole split; leave it out, or the images named")
    check_writable(out)
    source = Source(dataset, split, data, transform)
    source.check(images)
    loaded = load_model(model)

    from drawzoo_analysis.codes import CodesInfo, encode_images, write_codes

    if images:
        chosen, names = source.choose(loaded, images)
    else:
        chosen, names = source.split_images(loaded), []
    count = min(num or len(chosen.pixels), len(chosen.pixels))
    codes = encode_images(
        loaded, chosen, count, seed=seed, progress=functools.partial(progress, what=model)
    )
    info = CodesInfo(
        model=loaded.config.name,
        dataset=None if images else dataset,
        split=None if images else split,
        images=names,
        seed=seed,
    )
    write_codes(out, codes, chosen.labels, info)
    steps, _, *shape = codes.z.shape
    size = "×".join(map(str, shape))
    click.echo(
        f"codes of {counted(count, 'image')}, {counted(steps, 'step')} of {size}, in {out}",
        err=True,
    )
