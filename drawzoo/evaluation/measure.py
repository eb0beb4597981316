"""Measuring by the name of a protocol, and measuring again what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from drawzoo.data.images import Images, load_dataset
from drawzoo.engine.draw import Draw
from drawzoo.engine.world import ALONE, World
from drawzoo.errors import ConfigError, UnknownNameError
from drawzoo.evaluation.protocol import (
    Bars,
    Conditions,
    Progress,
    find_protocol,
    no_bars,
    protocols,
)
from drawzoo.evaluation.rows import Rows
from drawzoo.registry.loader import registry
from drawzoo.schema.figures import Figure, disagreement
from drawzoo.store.weights import read_model

__all__ = [
    "applicable",
    "evaluate",
    "measure",
    "measure_again",
    "measure_all",
    "measure_for_card",
]


def evaluate(
    model: Draw,
    protocol: str,
    images: Images,
    *,
    dataset: str,
    split: str = "test",
    seed: int = 0,
    name: str | None = None,
    progress: Progress = iter,
    world: World = ALONE,
    each: Callable[[dict[str, Tensor]], None] | None = None,
    **settings: Any,
) -> Any:
    """A model's figure on some images, by a registered protocol.

    Arguments:
        model: The model.
        protocol: The protocol's name.
        images: The images.
        dataset: The name of the dataset that they are of.
        split: The name of its split.
        seed: Of binarisation, noise and generated images.
        name: What to call the model; its configuration's name unless given.
        progress: Wraps the sequence of batches.
        world: The processes that share the work.
        each: Is given what was found of every image, name → [N], such as `dict().update`; of
            protocols that have `values`.
        settings: What else the protocol depends on, such as `k` for `iwae`.

    Raises:
        UnknownNameError: If there is no such protocol.
        ConfigError: If the protocol cannot be used with the model or the images, or for `each`.
    """
    by = find_protocol(protocol)
    if each:
        by.check_each()
    if unknown := settings.keys() - by.settings.keys():
        raise ConfigError(f"protocol {by.name} has no setting {min(unknown)!r}")
    conditions = Conditions(dataset, seed, progress, world, {**by.settings, **settings})
    if each:
        found = by.each(model, images, conditions)
        values = by.total(model, found, conditions)
        each(found)
    else:
        values = by.measure(model, images, conditions)
    return by.figure(
        model=name or model.config.name,
        dataset=dataset,
        split=split,
        images=len(images.pixels),
        seed=seed,
        **values,
    )


def measure(
    model: Draw,
    protocol: str,
    root: Path,
    *,
    dataset: str,
    split: str = "test",
    images: int | None = None,
    world: World = ALONE,
    rows: Rows | None = None,
    **settings: Any,
) -> Any:
    """A model's figure on a split of a registered dataset; see `evaluate`.

    Arguments:
        model: The model.
        protocol: The protocol's name.
        root: Where datasets lie.
        dataset: The dataset's name.
        split: The name of its split.
        images: How many images of it (`Images.subset`); as many as the protocol takes unless given.
        world: The processes that share the work.
        rows: Gets what is found of each image.
        settings: What else `evaluate` takes.

    Raises:
        UnknownNameError: If there is no such protocol or dataset.
        DataError: If the dataset's files are missing or damaged.
        ConfigError: If the protocol cannot be used with the model or the data.
    """
    by = find_protocol(protocol)
    with world.leader_first(model.initial_canvas.device):
        data = load_dataset(dataset, split, root, image=model.config.image)
    count = images or by.images(len(data.pixels))
    chosen = data.subset(count)
    if rows is not None:
        name = settings.get("name") or model.config.name
        head = (name, dataset, split, data.rows(count), chosen.labels)
        settings["each"] = lambda found: rows.add(*head, found)
    return evaluate(model, protocol, chosen, dataset=dataset, split=split, world=world, **settings)


def measure_again(model: Draw, recorded: Figure, root: Path, *, progress: Progress = iter) -> Any:
    """The figure that is found now where `recorded` was found before."""
    settings = find_protocol(recorded.protocol).settings
    return measure(
        model,
        recorded.protocol,
        root,
        dataset=recorded.dataset,
        split=recorded.split,
        images=recorded.images,
        seed=recorded.seed,
        name=recorded.model,
        progress=progress,
        **{key: getattr(recorded, key) for key in settings},
    )


def measure_all(
    folder: Path, recorded: Sequence[Figure], root: Path, *, bars: Bars = no_bars
) -> list[tuple[Figure, str | None]]:
    """The figures that are found now for the model in a folder.

    Arguments:
        folder: The model's folder, verified.
        recorded: The figures that were recorded for the model.
        root: Where datasets lie.
        protocols: Their names; unless given, all that can be used with the model.
        bars: Gives the progress of each figure, from the names of model and protocol.

    Returns:
        For each recorded figure the figure found, and what differs; None if nothing does.

    Raises:
        WeightsError: If the model cannot be read.
        DataError: If a dataset's files are missing or damaged.
    """
    model = read_model(folder)
    pairs = []
    for figure in recorded:
        progress = bars(f"{figure.model} {figure.protocol}")
        found = measure_again(model, figure, root, progress=progress)
        pairs.append((found, disagreement(figure, found)))
    return pairs


def applicable(model: Draw) -> list[str]:
    """The protocols that can be used with a model on the data it was trained on."""
    return [name for name, protocol in protocols().items() if protocol.applies(model)]


def measure_for_card(
    model: Draw, root: Path, *, protocols: Sequence[str] = (), bars: Bars = no_bars
) -> list[Any]:
    """The figures of a model's card, on the test split with seed 0.

    If a dataset `<dataset>-sample` is registered, the bound on it is the last: a figure that
    anybody can check without a download.

    Arguments:
        model: The model.
        root: Where datasets lie.
        protocols: Their names; unless given, all that can be used with the model.
        bars: Gives the progress of each figure, from the names of model and protocol.
    """
    name, dataset = model.config.name, model.config.dataset
    image = model.config.image
    figures, total = [], len(load_dataset(dataset, "test", root, image=image).pixels)
    for kind in protocols or applicable(model):

        def found(images: int, kind: str = kind) -> Figure:
            return measure(  # type: ignore[no-any-return]
                model,
                kind,
                root,
                dataset=dataset,
                images=images,
                progress=bars(f"{name} {kind}"),
            )

        if figure := find_protocol(kind).for_card(found, total):
            figures.append(figure)
    sample = f"{dataset}-sample"
    try:
        registry().find("dataset", sample)
    except UnknownNameError:
        return figures
    progress = bars(f"{name} sample")
    return [*figures, measure(model, "bound", root, dataset=sample, progress=progress)]
