"""`drawzoo evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.options import check_device, data_option, json_option
from drawzoo.errors import counted


@click.command
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--dataset", help="Dataset. [the one the model was trained on]")
@click.option("--split", default="test", show_default=True, help="Split of the dataset.")
@click.option(
    "--protocol",
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
    metavar="MODEL",
    help="Instead, by how much the bound is better than this model's, image by image.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
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
    """
    import functools

    from drawzoo.cli.loading import model_folder
    from drawzoo.cli.printing import print_json
    from drawzoo.evaluation.protocol import find_protocol
    from drawzoo.registry.loader import registry

    by = find_protocol(protocol)
    if k is not None and "k" not in by.settings:
        raise click.UsageError(f"-k is for --protocol iwae, not {protocol}")
    if against and protocol != "bound":
        raise click.UsageError(f"--against is for --protocol bound, not {protocol}")
    if dataset:
        registry().find("dataset", dataset)
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
            data,
            device,
            as_json,
        )
        return

    from drawzoo.cli.progress import progress
    from drawzoo.disk.paths import data_root
    from drawzoo.engine.world import world
    from drawzoo.evaluation.measure import measure
    from drawzoo.schema.figures import facts
    from drawzoo.store.weights import read_model

    check_device(device)
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
                **({} if k is None else {"k": k}),
            )
            if not processes.leads:
                continue
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
    data: Path | None,
    device: str,
    as_json: bool,
) -> None:
    import functools

    from drawzoo.cli.printing import print_json
    from drawzoo.cli.progress import progress
    from drawzoo.data.images import load_dataset
    from drawzoo.disk.paths import data_root
    from drawzoo.evaluation.paired import compare
    from drawzoo.schema.base import to_dict
    from drawzoo.store.weights import read_model

    other = read_model(other_folder)
    check_device(device)
    other.to(device)
    chosen = dataset or _own(data) or other.config.dataset
    measured = load_dataset(chosen, split, data_root(data), image=other.config.image)
    measured = measured.subset(images or len(measured.pixels))
    for name, folder in zip(models, folders, strict=True):
        model = read_model(folder).to(device)
        found = compare(
            model, other, measured, seed=seed, progress=functools.partial(progress, what=name)
        )
        if as_json:
            head = {"model": name, "against": against, "dataset": chosen, "split": split}
            print_json(head | to_dict(found), separators=(",", ":"))
        else:
            click.echo(
                f"{name}: {found.nats_better:+.2f} ± {found.nats_stderr:.2f} nats better than "
                f"{against} ({counted(found.images, 'image')} of {chosen} {split}, image by image, "
                f"protocol bound, seed {seed})"
            )
