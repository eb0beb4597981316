"""What was published of registered models: their pins, and the copies that ship. Free of torch.

A model's registration may name a package, `weights="PACKAGE"`. The package has `manifest.json`, and
`model_cards/` with a folder for each model that ships; in a checkout that folder may lie beside the
package. So every distribution pins its own models and no other's; drawzoo's are found by the same
road.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
from pathlib import Path
from typing import NamedTuple

from drawzoo.disk.paths import hub_cache
from drawzoo.errors import DrawzooError, PluginError, UnknownNameError
from drawzoo.registry.loader import registry
from drawzoo.registry.registry import Entry
from drawzoo.schema.manifest import Published, read_manifest
from drawzoo.store.fetching import snapshot

__all__ = ["Shelf", "cached", "manifest", "name_of", "pinned", "read", "shelf", "shipped"]

log = logging.getLogger("drawzoo")

MANIFEST, CARDS = "manifest.json", "model_cards"

read = functools.cache(read_manifest)


class Shelf(NamedTuple):
    """Where a distribution keeps what it publishes; neither need be there yet."""

    manifest: Path
    cards: Path


def shelf(package: str) -> Shelf:
    """The shelf in a package.

    Raises:
        PluginError: If there is no such package.
    """
    return _find(package)


@functools.cache
def _find(package: str) -> Shelf:
    try:
        spec = importlib.util.find_spec(package)
        places = list(spec.submodule_search_locations or ()) if spec else []
    except Exception:
        places = []
    if not places:
        raise PluginError(
            f"there is no package {package!r}, which a model's registration names for its weights; "
            "name it in the distribution's packages, and install the distribution again"
        )
    inside, beside = (folder / CARDS for folder in (Path(places[0]), Path(places[0]).parent))
    # In a checkout the cards may lie beside the package that they are in once it is built.
    cards = beside if beside.is_dir() and not inside.is_dir() else inside
    return Shelf(Path(places[0]) / MANIFEST, cards)


def pinned(entry: Entry) -> Published | None:
    """What was published of a registered model; None if nothing was.

    Raises:
        PluginError: If the package for its weights is not there.
        ConfigError: If the manifest is not valid.
    """
    return read(shelf(entry.weights).manifest).get(entry.name) if entry.weights else None


def manifest() -> dict[str, Published]:
    """Name → what was published, of all registered models; a line says of which it is unknown."""
    found, broken = {}, set()
    for entry in registry().entries("model"):
        try:
            if published := pinned(entry):
                found[name_of(entry)] = published
        except DrawzooError as error:
            if entry.weights not in broken:
                log.warning(f"the published models of {entry.distribution}: {error}")
            broken.add(entry.weights)
    return found


def name_of(entry: Entry) -> str:
    """The shortest name that means this model and no other."""
    with contextlib.suppress(PluginError):
        if registry().find("model", entry.name) is entry:
            return entry.name
    return entry.qualified


def shipped(name: str) -> Path | None:
    """The folder of the copy that ships with a model's distribution; None if no copy ships."""
    entry = _entry(name)
    if entry is None or entry.weights is None:
        return None
    folder = shelf(entry.weights).cards / entry.name
    return folder if folder.is_dir() else None


def cached(name: str, cache: Path | None = None) -> Path | None:
    """The cache's folder of a published model, unverified; None if there is no such folder."""
    entry = _entry(name)
    published = pinned(entry) if entry else None
    if published is None or published.commit is None:
        return None
    folder = snapshot(published.repository, published.commit, cache or hub_cache())
    return folder if folder.is_dir() else None


def _entry(name: str) -> Entry | None:
    try:
        return registry().find("model", name)
    except UnknownNameError:
        return None
