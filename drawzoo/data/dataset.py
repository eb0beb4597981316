"""What a dataset says of itself. Free of torch, so that telling of one is fast."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from drawzoo.errors import PluginError, UnknownNameError
from drawzoo.registry.loader import registry

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["Dataset", "Support", "facts", "find_dataset"]


class Support(StrEnum):
    """The values that a pixel of a model's input takes; a likelihood must be a density of them."""

    AFRESH = "binarised afresh"
    """0 and 1, sampled with the grey value as probability each time an image is seen."""
    BINARY = "binary"
    """0 and 1, always the same."""
    LEVELS = "256 levels"
    """k / 255 for k from 0 to 255."""


class Dataset:
    """Base of datasets, which `register_datasets` registers instances of.

    A module that holds one imports torch inside `load`: `drawzoo info` tells of the data without.
    """

    splits: tuple[str, ...]
    """The names of the splits."""
    support: Support
    """What a pixel may be."""
    licence: str = "not stated"
    source: str = "not stated"
    """Where the images come from: an address, or a publication."""
    terms: str = ""
    """What the makers ask beyond a licence, as a sentence for cards; empty where nothing is."""

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        """A split, read from below `root`, downloaded first if missing and `download`.

        Raises:
            DataError: If it is not there, incomplete, or not what it should be.
        """
        raise NotImplementedError

    def files(self, root: Path, split: str) -> Sequence[Path] | None:
        """The files of a split below `root`, unread: none where it needs none; None if unknown.

        `drawzoo doctor` says by them which data sets are here.
        """
        return None

    def at(self, image: tuple[int, int, int]) -> Dataset:
        """The dataset as a model of images (C, H, W) sees it: itself where it has its own size."""
        return self


def find_dataset(name: str) -> Dataset:
    """The registered dataset `name`.

    Raises:
        UnknownNameError: If there is none.
        PluginError: If what is registered is no `Dataset`.
    """
    entry = registry().find("dataset", name)
    dataset = entry.load()
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"dataset {entry.qualified} is registered as {type(dataset).__name__}; register an "
            "instance of a class derived from drawzoo.Dataset"
        )
    return dataset


def facts(name: str) -> dict[str, str] | None:
    """What the dataset `name` says of itself; None where no plugin here gives it."""
    try:
        dataset = find_dataset(name)
    except UnknownNameError:
        return None
    said = {
        "splits": ", ".join(dataset.splits),
        "support": str(dataset.support),
        "licence": dataset.licence,
        "source": dataset.source,
        "terms": dataset.terms,
    }
    return {key: value for key, value in said.items() if value}
