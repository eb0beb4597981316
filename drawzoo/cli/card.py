"""`drawzoo card`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.options import data_option


@click.command
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--cards",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("model_cards"),
    show_default=True,
    help="The folder of cards; the model gets a folder in it.",
)
@click.option(
    "--manifest",
    "manifest_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A manifest.json to pin the files and figures in.",
)
@data_option
def command(run: Path, cards: Path, manifest_path: Path | None, data: Path | None) -> None:
    """Makes a folder to publish of a finished RUN: weights, configuration, and a card.

    The card's figures are measured here, on the weights that go into the folder, on the test split
    with seed 0: every protocol that can be used with the model (see: drawzoo evaluate --help); iwae
    with k=100 on the first 1,000 images. It takes some minutes.
    """
    import functools

    from drawzoo.cards import model_card
    from drawzoo.cli.progress import progress
    from drawzoo.data.images import load_dataset
    from drawzoo.errors import DrawzooError, TrainingError
    from drawzoo.evaluation import measure_for_card
    from drawzoo.files import check_writable, write_atomic
    from drawzoo.manifest import Published, pin, write_manifest
    from drawzoo.paths import data_root
    from drawzoo.registry import registry
    from drawzoo.training.checkpoint import read_checkpoint
    from drawzoo.training.log import read_log
    from drawzoo.weights import CONFIG, WEIGHTS, read_model, write_model

    checkpoint, log = read_checkpoint(run), read_log(run)
    if checkpoint is None or not log:
        raise TrainingError(f"{run} holds no run; make one with drawzoo train MODEL --out {run}")
    for path in filter(None, (cards / "README.md", manifest_path)):
        check_writable(path)
    model = read_model(run)
    name, dataset = model.config.name, model.config.dataset
    root = data_root(data)
    train_images = len(load_dataset(dataset, "train", root).pixels)
    figures = measure_for_card(
        model,
        root,
        progress=lambda what: functools.partial(progress, what=f"{name} {what}"),
    )
    folder = cards / name
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DrawzooError(f"cannot make the folder {folder}: {error.strerror}") from error
    write_model(folder, model.config, model.state_dict())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = model_card(
        checkpoint.config,
        log,
        summary=registry().find("model", name).summary,
        parameters=parameters,
        train_images=train_images,
        figures=figures,
        files={file: pin(folder / file) for file in (CONFIG, WEIGHTS)},
    )
    write_atomic(folder / "README.md", card.encode())
    click.echo(folder)
    if manifest_path:
        published = Published(
            repository=f"drawzoo/{name}",
            commit=None,
            parameters=parameters,
            files={file: pin(folder / file) for file in (CONFIG, WEIGHTS, "README.md")},
            figures=figures,
        )
        write_manifest(manifest_path, name, published)
