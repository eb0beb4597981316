"""Checking the copies of published models: their files, and the figures on their cards."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

from drawzoo.disk.paths import data_root
from drawzoo.errors import WeightsError
from drawzoo.evaluation.protocol import Bars, no_bars, read_figures
from drawzoo.registry.loader import registry
from drawzoo.schema.figures import Figure
from drawzoo.schema.manifest import USED, Published, mismatch
from drawzoo.store.published import cached, name_of, pinned, shipped
from drawzoo.store.sources import published_model

__all__ = ["Copy", "Which", "check_copies"]

Which = Literal["none", "sample", "all"]
"""The figures to measure again: none, the figures on data that ships, or all."""


class Copy(NamedTuple):
    """What was found of a model's copy."""

    name: str
    source: str
    """Where the copy is: "cache" or "shipped"."""
    folder: str
    problems: list[str]
    """Each a file or a figure that differs, with what was expected and found."""
    figures: int
    """Figures that were measured again."""


def check_copies(
    models: Collection[str] = (),
    *,
    figures: Which = "sample",
    data: Path | None = None,
    cache: Path | None = None,
    bars: Bars = no_bars,
) -> list[Copy]:
    """Compares files with their published SHA-256, and measures figures again.

    Arguments:
        models: The models' names; all that are published unless given.
        figures: Which figures to measure again.
        data: Where datasets lie; the user's choice unless given.
        cache: The cache's folder; the user's choice unless given.
        bars: Gives the progress of each figure, from the names of model and protocol.

    Returns:
        A row for each copy, cached or shipped.

    Raises:
        UnknownNameError: If there is no such model.
        ConfigError: If a distribution's manifest is not valid.
        WeightsError: If a named model has no copy here.
        DataError: If a dataset's files are missing or damaged.
    """
    found = []
    for name, published in map(published_model, models or _all()):
        places = {"cache": cached(name, cache), "shipped": shipped(name)}
        folders = {source: folder for source, folder in places.items() if folder}
        if models and not folders:
            raise WeightsError(f"{name} has no copy here; get it with: drawzoo pull {name}")
        found.append((name, published, folders))
    rows: list[Copy] = []
    for name, published, folders in found:
        recorded = _chosen(published, figures)
        rows += _check_model(name, published, folders, recorded, data, bars)
    return rows


def _all() -> list[str]:
    return [name_of(entry) for entry in registry().entries("model") if pinned(entry)]


def _check_model(
    name: str,
    published: Published,
    folders: dict[str, Path],
    recorded: list[Figure],
    data: Path | None,
    bars: Bars,
) -> list[Copy]:
    problems = {
        source: _damaged_files(folder, published, whole=source == "shipped")
        for source, folder in folders.items()
    }
    # Copies that are as published are the same, so that one is measured for all.
    good = [source for source, damaged in problems.items() if not damaged]
    measured = recorded if good else []
    if measured:
        different = _different_figures(folders[good[0]], measured, data, bars)
        problems |= dict.fromkeys(good, different)
    return [
        Copy(name, source, str(folder), problems[source], len(measured) if source in good else 0)
        for source, folder in folders.items()
    ]


def _chosen(published: Published, which: Which) -> list[Figure]:
    """The recorded figures to measure again."""
    if which == "none":
        return []
    figures = read_figures(published.figures)
    return [f for f in figures if which == "all" or f.dataset.endswith("-sample")]


def _damaged_files(folder: Path, published: Published, *, whole: bool) -> list[str]:
    """What differs from the published files.

    Arguments:
        folder: The copy's folder.
        published: What its files should be.
        whole: Whether all files must be there; loading a model brings neither card nor pictures
            into the cache.
    """
    return [
        problem
        for file, pin in published.files.items()
        if whole or file in USED or (folder / file).exists()
        if (problem := mismatch(folder / file, pin))
    ]


def _different_figures(
    folder: Path, recorded: list[Figure], data: Path | None, bars: Bars
) -> list[str]:
    from drawzoo.evaluation.measure import measure_all

    pairs = measure_all(folder, recorded, data_root(data), bars=bars)
    return [problem for _, problem in pairs if problem]
