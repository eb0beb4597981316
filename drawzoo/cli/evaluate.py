"""`drawzoo evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.completion import Registered
from drawzoo.cli.options import OutputFile, check_device, data_option, json_option
from drawzoo.errors import counted


@click.command
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=Registered("model"))
@click.option(
    "--dataset",
    type=Registered("dataset"),
    help="Dataset. [the one the model was trained on]",
)
@click.option("--split", default="test", show_default=True, help="Split of the dataset.")
@click.option(
    "--protocol",
    type=Registered("protocol"),
    metavar="NAME",
    default="bound",
    show_default=True,
    help="How to measure; the protocols of plugins too (see: drawzoo plugins).",
)
@click.option(
    "-k",
    type=click.IntRange(1, 1_000_000),
    help="Samples of the codes an image, for protocol iwae. [100]",
)
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Only so many images, drawn from the split by a fixed seed. [all; 1000 for generated]",
)
@click.option(
    "--against",
    type=Registered("model"),
    help="Instead, by how much the bound is better or worse than this model's, image by image.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--csv",
    "table",
    type=OutputFile(".csv"),
    metavar="FILE.csv",
    help="Also write what is found of each image: its row in the split, its label, its values.",
)
@data_option
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@json_option
def command(
    models: tuple[str, ...],
    dataset: str | None,
    split: str,
    protocol: str,
    k: int | None,
    images: int | None,
    against: str | None,
    seed: int,
    table: Path | None,
    data: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Measures models on a split of a dataset, with standard errors.

    bound: the negative log-likelihood bound in nats per image (lower is better), from one sample
    of the latent codes, with its two parts, the KL and the reconstruction.

    iwae: the importance-weighted bound from k samples, which is closer to the likelihood the
    larger k is.

    generated: the cross-entropy between the pixel probabilities of generated images and unrelated
    images; average, standard deviation, maximum. It is no likelihood, and lower is not better.

    quality: the Fréchet distance (lower is better) between generated and real digits in the
    features of a classifier, its confidence, and how many samples it takes for each digit.

    accuracy: the share of images that a model with a supervised encoder classifies correctly.

    \b
    Examples:
      drawzoo evaluate draw-mnist --dataset mnist-sample --csv images.csv
      drawzoo evaluate model1-mnist --against draw-mnist --dataset mnist-sample
    """
    import functools

    from drawzoo.cli.loading import model_folder
    from drawzoo.cli.printing import print_json
    from drawzoo.disk.atomic import check_writable
    from drawzoo.evaluation.protocol import find_protocol
    from drawzoo.registry.loader import registry

    by = find_protocol(protocol)
    if k is not None and "k" not in by.settings:
        raise click.UsageError(f"-k is for --protocol iwae, not {protocol}")
    if against and protocol != "bound":
        raise click.UsageError(f"--against is for --protocol bound, not {protocol}")
    if dataset:
        registry().find("dataset", dataset)
    if table:
        by.check_each()
        check_writable(table)
    folders = [model_folder(name) for name in models]
    if against:
        _compare(
            models,
            folders,
            against,
            model_folder(against),
            dataset,
            split,
            images,
            seed,
            table,
            data,
            device,
            as_json,
        )
        return

    from drawzoo.cli.progress import progress
    from drawzoo.disk.paths import data_root
    from drawzoo.engine.world import world
    from drawzoo.evaluation.measure import measure
    from drawzoo.evaluation.rows import Rows
    from drawzoo.schema.figures import facts
    from drawzoo.store.weights import read_model

    check_device(device)
    rows = Rows() if table else None
    with world(device) as (processes, device):
        for name, folder in zip(models, folders, strict=True):
            model = read_model(folder).to(device)
            figure = measure(
                model,
                protocol,
                data_root(data),
                dataset=dataset or _own(data) or model.config.dataset,
                split=split,
                images=images,
                seed=seed,
                name=name,
                progress=functools.partial(progress, what=name, shown=processes.leads),
                world=processes,
                rows=rows,
                **({} if k is None else {"k": k}),
            )
            if not processes.leads:
                continue
            # After each model, so that none is lost if the next cannot be measured.
            if rows and table:
                rows.write(table)
            if as_json:
                print_json(facts(figure), separators=(",", ":"))
            else:
                click.echo(f"{name}: {by.summary(figure)}")


def _own(data: Path | None) -> str | None:
    from drawzoo.disk.paths import own_images

    return "folder" if own_images(data) else None


def _compare(
    models: tuple[str, ...],
    folders: list[Path],
    against: str,
    other_folder: Path,
    dataset: str | None,
    split: str,
    images: int | None,
    seed: int,
    table: Path | None,
    data: Path | None,
    device: str,
    as_json: bool,
) -> None:
    import functools

    from drawzoo.cli.printing import print_json
    from drawzoo.cli.progress import progress
    from drawzoo.data.images import load_dataset
    from drawzoo.disk.paths import data_root
    from drawzoo.evaluation.paired import compare, differences
    from drawzoo.evaluation.rows import Rows
    from drawzoo.schema.base import to_dict
    from drawzoo.store.weights import read_model

    other = read_model(other_folder)
    check_device(device)
    other.to(device)
    chosen = dataset or _own(data) or other.config.dataset
    whole = load_dataset(chosen, split, data_root(data), image=other.config.image)
    count = images or len(whole.pixels)
    measured, rows = whole.subset(count), Rows()
    for name, folder in zip(models, folders, strict=True):
        model = read_model(folder).to(device)
        bar = functools.partial(progress, what=name)
        values = differences(model, other, measured, seed=seed, progress=bar)
        found = compare(values, seed)
        if table:
            rows.add(name, chosen, split, whole.rows(count), measured.labels, values)
            rows.write(table)
        if as_json:
            head = {"model": name, "against": against, "dataset": chosen, "split": split}
            print_json(head | to_dict(found), separators=(",", ":"))
        else:
            word = "worse" if round(found.nats_better, 2) < 0 else "better"
            click.echo(
                f"{name}: {abs(found.nats_better):.2f} ± {found.nats_stderr:.2f} nats {word} than "
                f"{against} ({counted(found.images, 'image')} of {chosen} {split}, image by image, "
                f"protocol bound, seed {seed})"
            )
