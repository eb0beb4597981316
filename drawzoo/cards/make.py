"""Making the folder of a model that can be published, and its entry in a manifest.

Free of torch until a model is read.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from drawzoo.cards.text import keep_notes, model_card
from drawzoo.disk.atomic import check_writable, make_folder, write_atomic
from drawzoo.disk.paths import data_root
from drawzoo.errors import ConfigError, DrawzooError, OutputError, TrainingError, WeightsError
from drawzoo.evaluation.protocol import Bars, no_bars, read_figures
from drawzoo.registry.build import component_entry, model_config
from drawzoo.registry.loader import registry
from drawzoo.registry.registry import LOCAL, OWN, Entry
from drawzoo.schema.base import encode
from drawzoo.schema.figures import Figure
from drawzoo.schema.manifest import (
    CARD,
    FILES,
    TRAINING,
    USED,
    Pin,
    Published,
    pins,
    read_manifest,
    write_manifest,
)
from drawzoo.schema.model import COMPONENTS, ModelConfig
from drawzoo.schema.record import TrainingRecord, read_record
from drawzoo.schema.training import CHECKPOINT
from drawzoo.store.published import Shelf, name_of, shelf
from drawzoo.store.validate import read_config

if TYPE_CHECKING:
    from drawzoo.engine.draw import Draw

__all__ = ["make_card", "registration", "remake_card", "shelf_here"]


def make_card(
    run: Path,
    cards: Path | None = None,
    *,
    manifest: Path | None = None,
    half: bool = False,
    measure: bool = False,
    protocols: Sequence[str] = (),
    data: Path | None = None,
    bars: Bars = no_bars,
) -> Path:
    """Makes a folder to publish of a finished run: weights, configuration, pictures and a card.

    The figures are measured on the weights that go into the folder; figures that the manifest has
    of the same weights are kept.

    Arguments:
        run: The folder of the run.
        cards: The folder of cards; the model gets a folder in it. Unless given, the folder of the
            distribution that registers the model, as `shelf_here` says, with its manifest.
        manifest: The file to pin the model's files and figures in; with `cards`, none unless given.
        half: Whether to store the weights in 16 bits.
        measure: Whether to measure figures of unchanged weights again.
        protocols: What is measured, by name; unless given, every protocol that can be used with
            the model.
        data: Where datasets lie; the user's choice unless given.
        bars: Gives the progress of each figure, from the names of model and protocol.

    Returns:
        The model's folder.

    Raises:
        TrainingError: If there is no finished run.
        WeightsError: If the weights are damaged or do not fit.
        DataError: If a dataset's files are missing or damaged.
        OutputError: If a file cannot be written.
    """
    record = _run_record(run, data)
    if cards is None:
        config = read_config(run)
        cards, manifest = _onto(shelf_here(registration(config), config.name), manifest)

    def write(aside: Path, trained: Draw) -> None:
        from drawzoo.engine.saving import write_model

        write_model(aside, trained.config, trained.state_dict(), half=half)

    return _make(run, record, write, cards, manifest, measure, _figures(protocols, data, bars))


def remake_card(
    model: str,
    cards: Path | None = None,
    *,
    manifest: Path | None = None,
    measure: bool = False,
    protocols: Sequence[str] = (),
    data: Path | None = None,
    bars: Bars = no_bars,
) -> Path:
    """Makes card and pictures of a model again from the weights and the record in its folder.

    Takes what `make_card` takes, but a registered name in the place of the run. The manifest is the
    distribution's that registers the model, unless given.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If there is no folder of it, or its files are damaged or do not fit.
        DataError: If a dataset's files are missing or damaged.
        OutputError: If a file cannot be written.
    """
    entry = registry().find("model", model)
    if cards is None:
        cards, manifest = _onto(shelf_here(entry, model), manifest)
    elif manifest is None and entry.weights:
        manifest = shelf(entry.weights).manifest
    folder = cards / entry.name
    if not folder.is_dir():
        raise WeightsError(f"there is no folder {folder}; make it with: drawzoo card RUN")

    def copy(aside: Path, trained: Draw) -> None:
        for file in USED:
            write_atomic(aside / file, (folder / file).read_bytes())

    record = read_record(folder)
    return _make(folder, record, copy, cards, manifest, measure, _figures(protocols, data, bars))


def shelf_here(entry: Entry | None, name: str) -> Shelf:
    """Where the distribution that registers a model keeps its cards, if this is its checkout.

    It is if the package that the registration names for the weights lies below the current folder,
    as in an editable installation; what is installed otherwise is never written to.

    Raises:
        OutputError: If there is no such place.
    """
    if entry and entry.weights:
        found = shelf(entry.weights)
        where = found.manifest.resolve()
        if where.is_relative_to(Path.cwd()) and "site-packages" not in where.parts:
            return found
    raise OutputError(
        f"no place for the card of {name}: here is no checkout of a package for its weights; "
        "say --cards DIR --manifest DIR/manifest.json"
    )


def _onto(place: Shelf, manifest: Path | None) -> tuple[Path, Path]:
    make_folder(place.cards)
    return place.cards, manifest or place.manifest


def _make(
    source: Path,
    record: TrainingRecord,
    store: Callable[[Path, Draw], None],
    cards: Path,
    manifest: Path | None,
    measure: bool,
    figures_of: Callable[[Draw], list[Figure]],
) -> Path:
    """Makes the folder aside and then all at once, so that it is never of two models.

    `store` puts weights and configuration of the model in `source` into the new folder.
    """
    for path in filter(None, (cards / CARD, manifest)):
        check_writable(path)

    from drawzoo.store.weights import read_model

    trained = read_model(source)
    _check_packaged(trained.config)
    name = trained.config.name
    entry = read_manifest(manifest).get(name) if manifest else None
    with tempfile.TemporaryDirectory(dir=cards, prefix=f".{name}.") as made:
        aside = Path(made)
        store(aside, trained)
        # The weights as the file has them: 16 bits round.
        trained = read_model(aside)
        _write_pictures(aside, trained, record)
        files = pins(aside)
        kept = not measure and entry and all(entry.files[file] == files[file] for file in USED)
        figures = read_figures(entry.figures) if entry and kept else figures_of(trained)
        _write_card(aside, cards / name, trained, record, figures, files)
        _put(aside, cards / name)
    if manifest:
        published = _published(trained, entry, pins(cards / name), figures)
        write_manifest(manifest, name, published)
    return cards / name


def _check_packaged(config: ModelConfig) -> None:
    """Refuses a model that nobody could load, since no package gives its components."""
    for kind in COMPONENTS:
        if getattr(config, kind).plugin == LOCAL:
            raise ConfigError(
                f"{config.name} has the {kind} {getattr(config, kind).name!r}, which no package "
                f"gives, so nobody could load it; make one: drawzoo new-plugin NAME --kind {kind}"
            )


def _write_pictures(folder: Path, trained: Draw, record: TrainingRecord) -> None:
    from drawzoo.cards.illustrations import card_pictures

    contents = {TRAINING: encode(record), **card_pictures(trained, record)}
    for file, content in contents.items():
        write_atomic(folder / file, content)


def _figures(names: Sequence[str], data: Path | None, bars: Bars) -> Callable[[Draw], list[Figure]]:
    """What measures a model's figures; names that no protocol has are refused before any work."""
    for name in names:
        registry().find("protocol", name)

    def measured(trained: Draw) -> list[Figure]:
        from drawzoo.evaluation.measure import measure_for_card

        return measure_for_card(trained, data_root(data), protocols=names, bars=bars)

    return measured


def _write_card(
    aside: Path,
    folder: Path,
    trained: Draw,
    record: TrainingRecord,
    figures: list[Figure],
    files: dict[str, Pin],
) -> None:
    """Writes the card, with the notes that the card in `folder` has."""
    entry = registration(trained.config)
    # A name means the weights that its distribution pins: a card elsewhere is of other weights.
    pinned = (
        entry and entry.weights and folder.parent.resolve() == shelf(entry.weights).cards.resolve()
    )
    card = model_card(
        # As the file has it, which may be older than a setting.
        read_config(aside),
        record,
        summary=entry.summary if entry and entry.summary else "a model of its owner's",
        name=name_of(entry) if entry and pinned else None,
        packages=_packages(trained.config, entry),
        licence=_licence(entry.distribution) if entry else None,
        parameters=_parameters(trained),
        figures=figures,
        files=files,
    )
    old = folder / CARD
    notes = old.read_text(encoding="utf-8") if old.is_file() else ""
    write_atomic(aside / CARD, keep_notes(card, notes).encode())


def registration(config: ModelConfig) -> Entry | None:
    """The registration of a model in a package: of its name, and with its components."""
    for entry in registry().entries("model"):
        if entry.name == config.name and entry.distribution != LOCAL:
            with contextlib.suppress(DrawzooError):
                registered = model_config(entry.qualified)
                if all(_same(kind, config, registered) for kind in COMPONENTS):
                    return entry
    return None


def _same(kind: str, one: ModelConfig, other: ModelConfig) -> bool:
    return component_entry(kind, getattr(one, kind)) == component_entry(kind, getattr(other, kind))


def _packages(config: ModelConfig, entry: Entry | None) -> list[str]:
    """What to install beside drawzoo, as pip takes it."""
    names = {getattr(config, kind).plugin for kind in COMPONENTS}
    names.add(entry.distribution if entry else None)
    return [f"{name}=={metadata(name)['Version']}" for name in sorted(names - {None, OWN})]


def _licence(distribution: str) -> str | None:
    """The licence that a distribution states, by its name on the Hub."""
    try:
        found = metadata(distribution)
    except PackageNotFoundError:
        return None
    return found["License-Expression"].lower() if "License-Expression" in found else None


def _put(aside: Path, folder: Path) -> None:
    make_folder(folder)
    for file in FILES:
        write_atomic(folder / file, (aside / file).read_bytes())


def _published(
    trained: Draw, entry: Published | None, files: dict[str, Pin], figures: list[Figure]
) -> Published:
    """The manifest's new entry, after the one there was."""
    parameters = _parameters(trained)
    registered = registration(trained.config)
    owner = registered.distribution if registered else OWN
    known = entry or Published(f"{owner}/{trained.config.name}", None, parameters, {}, [])
    # A commit has the files that were published in it and no others.
    commit = known.commit if known.files == files else None
    values = [
        {key: value for key, value in msgspec.to_builtins(figure).items() if value is not None}
        for figure in figures
    ]
    return Published(known.repository, commit, parameters, files, values)


def _parameters(trained: Draw) -> int:
    return sum(parameter.numel() for parameter in trained.parameters())


def _run_record(run: Path, data: Path | None) -> TrainingRecord:
    """The record of a finished run."""
    none = TrainingError(f"{run} holds no run; make one with drawzoo train MODEL --out {run}")
    if not (run / CHECKPOINT).exists():
        raise none

    from drawzoo.schema.record import training_record
    from drawzoo.training.checkpoint import read_checkpoint
    from drawzoo.training.log import read_log
    from drawzoo.training.run_options import read_options
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
        read_options(run).precision,
    )
