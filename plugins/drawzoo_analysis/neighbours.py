"""`drawzoo analyze neighbours`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drawzoo.commands import Registered, data_option, json_option
from drawzoo_analysis.analyze import out_option, seed_option
from drawzoo_analysis.source import Source

HELD_OUT = 1_000
"""Images of the split test, at most, whose distances stand beside the samples'."""
SHOWN = 3
"""Of which so many are in the picture."""
TRAIN, TEST = "train", "test"
METRICS = {
    False: "L2 of the mean image, pixels in [0, 1]",
    True: "L2 of the image with its pixels sampled, 0 or 1",
}
"""By whether pixels of the data set are 0 and 1, always the same."""


@click.command
@click.argument("model", type=Registered("model"))
@click.option(
    "--dataset",
    type=Registered("dataset"),
    help="Dataset. [the one the model was trained on]",
)
@data_option
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Only so many training images, drawn from the split by a fixed seed. [all]",
)
@click.option(
    "--num", type=click.IntRange(1, 100), default=8, show_default=True, help="Samples to look at."
)
@click.option(
    "--neighbours", type=click.IntRange(1, 20), default=6, show_default=True, help="Of each sample."
)
@seed_option
@out_option("neighbours.png")
@json_option
def command(
    model: str,
    dataset: str | None,
    data: Path | None,
    images: int | None,
    num: int,
    neighbours: int,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Shows the training images nearest to new drawings: are they copies?

    A distance is the L2 norm of the difference of two images, with pixels from 0 to 1. Of a drawing
    its mean image is taken, or, where the pixels of the dataset are binary, an image with pixels
    sampled from it. A distance says little by itself, so the distances of up to 1,000 test images,
    which the model never saw, stand beside it: a copy is far nearer to a training image than they
    are. Mean images are smoother than images, and so a little nearer. Every training image is
    looked at, those that were held out for validation too.
    """
    import functools

    from drawzoo.commands import (
        check_writable,
        counted,
        load_model,
        own_images,
        print_json,
        print_table,
        progress,
        registry,
        write_atomic,
    )

    check_writable(out)
    if dataset:
        registry().find("dataset", dataset)
    loaded = load_model(model)

    import torch

    from drawzoo.commands import seeded
    from drawzoo_analysis.nearest import nearer, nearest
    from drawzoo_analysis.neighbours_sheet import neighbours_sheet
    from drawzoo_analysis.sheets import short_name

    name = dataset or ("folder" if own_images(data) else loaded.config.dataset)
    train, test = (Source(name, split, data, None).split_images(loaded) for split in (TRAIN, TEST))
    labels = train.labels
    # As labels, the places in the split stay with the images.
    chosen = train._replace(labels=torch.arange(len(train.pixels)))
    chosen = chosen.subset(images or len(train.pixels))
    assert chosen.labels is not None
    held_out = test.subset(min(HELD_OUT, len(test.pixels))).pixels
    samples = loaded.sample(num, generator=torch.Generator().manual_seed(seed))
    binary = not train.binarize and bool(((train.pixels == 0) | (train.pixels == 255)).all())
    if binary:
        # A grey image is nearer to all binary ones than they are to each other.
        samples = torch.bernoulli(samples, generator=seeded(seed, "pixels"))
    bars = {what: functools.partial(progress, what=what) for what in (model, TEST)}
    of_samples = nearest(samples, chosen.pixels, neighbours, progress=bars[model])
    of_held_out = nearest(held_out, chosen.pixels, neighbours, progress=bars[TEST])
    own, others = of_samples.distances[:, 0], of_held_out.distances[:, 0]
    shares = nearer(own, others)
    count = len(chosen.pixels)
    title = f"{short_name(model, 32)}: nearest of {counted(count, 'training image')} of {name}"
    picture = neighbours_sheet(
        samples, held_out[:SHOWN], chosen.pixels, of_samples, of_held_out, title, TEST
    )
    write_atomic(out, picture)
    click.echo(f"{counted(num, 'sample')} and their neighbours in {out}", err=True)
    low, middle, high = others.quantile(torch.tensor([0.05, 0.5, 0.95]).double()).tolist()
    index = chosen.labels[of_samples.places]
    rows: list[dict[str, Any]] = [
        {
            "sample": i + 1,
            "index": index[i].tolist(),
            "distances": of_samples.distances[i].tolist(),
            "labels": None if labels is None else labels[index[i]].tolist(),
            "held_out_nearer": shares[i].item(),
        }
        for i in range(num)
    ]
    if as_json:
        facts = {
            "model": model,
            "dataset": name,
            "split": TRAIN,
            "images": count,
            "seed": seed,
            "metric": METRICS[binary],
            "samples": rows,
            "held_out": {
                "split": TEST,
                "images": len(others),
                "minimum": others.min().item(),
                "quantile_05": low,
                "median": middle,
                "quantile_95": high,
            },
        }
        print_json(facts, indent=2)
        return
    print_table(
        ["sample", f"nearest of {name} {TRAIN}", "distance", f"{TEST} images that are nearer"],
        [
            [
                str(row["sample"]),
                str(row["index"][0]),
                f"{row['distances'][0]:.3f}",
                f"{row['held_out_nearer']:.1%}",
            ]
            for row in rows
        ],
    )
    click.echo(
        f"{counted(len(others), 'test image')}: median {middle:.3f}, 90% from {low:.3f} to "
        f"{high:.3f}, nearest {others.min():.3f}; samples: median {own.quantile(0.5):.3f}"
    )
