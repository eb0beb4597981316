"""`drawzoo card`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drawzoo.cli.options import data_option

if TYPE_CHECKING:
    from drawzoo.schema.record import TrainingRecord


@click.command
@click.argument("model", metavar="RUN|MODEL")
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
    help="The manifest.json to pin the files and figures in. [for MODEL the one of drawzoo]",
)
@click.option("--half", is_flag=True, help="Store the weights of RUN in 16 bits, half the bytes.")
@click.option("--measure", is_flag=True, help="Measure figures of unchanged weights again.")
@data_option
def command(
    model: str,
    cards: Path,
    manifest_path: Path | None,
    half: bool,
    measure: bool,
    data: Path | None,
) -> None:
    """Makes a folder to publish of a finished RUN: weights, configuration, pictures and a card.

    Of a MODEL that has such a folder, card and pictures are made again from what is in it.

    The card's figures are measured here, on the weights that go into the folder, on the test split
    with seed 0: every protocol that can be used with the model (see: drawzoo evaluate --help); iwae
    with k=100 on 2,500 images or 5,000. It takes some minutes. Figures that the manifest has of
    the same weights are kept.
    """
    import functools
    import tempfile

    import msgspec

    from drawzoo.cards.text import keep_notes, model_card
    from drawzoo.cli.progress import progress
    from drawzoo.disk.atomic import check_writable, write_atomic
    from drawzoo.disk.paths import data_root
    from drawzoo.errors import OutputError, WeightsError
    from drawzoo.registry.loader import registry
    from drawzoo.schema.base import encode
    from drawzoo.schema.manifest import (
        CARD,
        FILES,
        MANIFEST,
        TRAINING,
        USED,
        Published,
        pins,
        read_manifest,
        write_manifest,
    )
    from drawzoo.schema.record import read_record

    run = Path(model) if Path(model).is_dir() else None
    if run is None:
        if half:
            raise click.UsageError("--half is for a RUN; the weights of a MODEL stay as they are")
        source = cards / registry().find("model", model).name
        manifest_path = manifest_path or MANIFEST
        if not source.is_dir():
            raise WeightsError(f"there is no folder {source}; make it with: drawzoo card RUN")
        record = read_record(source)
    else:
        source, record = run, _record(run, data)
    for path in filter(None, (cards / CARD, manifest_path)):
        check_writable(path)

    from drawzoo.cards.pictures import card_pictures
    from drawzoo.evaluation.measure import measure_for_card
    from drawzoo.evaluation.protocol import read_figures
    from drawzoo.store.weights import read_model, write_model

    trained = read_model(source)
    name = trained.config.name
    folder = cards / name
    entry = read_manifest(manifest_path).get(name) if manifest_path else None
    # All is made aside, so that a folder whose figures are being measured stays one model's.
    with tempfile.TemporaryDirectory(dir=cards, prefix=f".{name}.") as made:
        aside = Path(made)
        if run:
            write_model(aside, trained.config, trained.state_dict(), half=half)
        else:
            for file in USED:
                write_atomic(aside / file, (source / file).read_bytes())
        # As it is in the file: 16 bits round.
        trained = read_model(aside)
        contents = {TRAINING: encode(record), **card_pictures(trained, record)}
        for file, content in contents.items():
            write_atomic(aside / file, content)
        files = pins(aside)
        if entry and not measure and all(entry.files[file] == files[file] for file in USED):
            figures = read_figures(entry.figures)
        else:
            figures = measure_for_card(
                trained,
                data_root(data),
                progress=lambda what: functools.partial(progress, what=f"{name} {what}"),
            )
        parameters = sum(parameter.numel() for parameter in trained.parameters())
        card = model_card(
            trained.config,
            record,
            summary=registry().find("model", name).summary,
            parameters=parameters,
            figures=figures,
            files=files,
        )
        old = folder / CARD
        notes = old.read_text(encoding="utf-8") if old.is_file() else ""
        write_atomic(aside / CARD, keep_notes(card, notes).encode())
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
        for file in FILES:
            write_atomic(folder / file, (aside / file).read_bytes())
    click.echo(folder)
    if manifest_path:
        files = pins(folder)
        # A commit has the files that were published in it and no others.
        known = entry or Published(f"drawzoo/{name}", None, parameters, {}, [])
        commit = known.commit if known.files == files else None
        published = Published(
            known.repository, commit, parameters, files, msgspec.to_builtins(figures)
        )
        write_manifest(manifest_path, name, published)


def _record(run: Path, data: Path | None) -> TrainingRecord:
    """The record of a finished run."""
    from drawzoo.disk.paths import data_root
    from drawzoo.errors import TrainingError
    from drawzoo.schema.training import CHECKPOINT

    none = TrainingError(f"{run} holds no run; make one with drawzoo train MODEL --out {run}")
    if not (run / CHECKPOINT).exists():
        raise none

    from drawzoo.schema.record import training_record
    from drawzoo.training.checkpoint import read_checkpoint
    from drawzoo.training.log import read_log
    from drawzoo.training.validation import load_images

    checkpoint, log = read_checkpoint(run), read_log(run)
    if checkpoint is None or not log:
        raise none
    images, validation = load_images(checkpoint.config, data_root(data))
    best = checkpoint.best and (checkpoint.best.step, checkpoint.best.nats)
    return training_record(
        checkpoint.config,
        log,
        len(images.pixels),
        0 if validation is None else len(validation.pixels),
        best,
    )
