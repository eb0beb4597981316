"""Where models and data lie, and whether the Hub answers."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drawzoo.doctor.finding import Check
from drawzoo.errors import DrawzooError

if TYPE_CHECKING:
    from drawzoo.registry.registry import Entry

__all__ = ["cache", "data", "hub"]

LITTLE = 500_000_000
"""Bytes of free room below which a note says so."""


def cache(chosen: Path | None) -> Check:
    """The Hub's cache, into which `drawzoo pull` brings models."""
    from drawzoo.disk.paths import hub_cache

    hint = "name another with HF_HUB_CACHE or --cache-dir, or make it writable"
    try:
        folder = chosen or hub_cache()
    except DrawzooError as error:
        return Check("cache", "fault", str(error), hint, {"folder": None})
    facts, problem = _place(folder)
    facts["bytes"] = _size(folder)
    if problem:
        return Check("cache", "fault", f"{folder} cannot be written: {problem}", hint, facts)
    says = f"{folder}, {_megabytes(facts['bytes'])}, {_megabytes(facts['free_bytes'])} free"
    if facts["free_bytes"] < LITTLE:
        return Check("cache", "note", says, "make room, or name another with HF_HUB_CACHE", facts)
    return Check("cache", "ok", says, facts=facts)


def data(chosen: Path | None) -> Check:
    """The folder of data sets, and which of them are in it."""
    from drawzoo.disk.paths import data_root

    hint = "name the folder of data sets with --data or DRAWZOO_DATA"
    try:
        folder = data_root(chosen)
    except DrawzooError as error:
        return Check("data", "fault", str(error), hint, {"folder": None})
    facts, problem = _place(folder)
    facts |= _present(folder)
    if (chosen or os.environ.get("DRAWZOO_DATA")) and not folder.is_dir():
        return Check("data", "fault", f"there is no folder {folder}", hint, facts)
    here = ", ".join(
        name + (f" ({', '.join(splits)})" if facts["incomplete"].get(name) else "")
        for name, splits in facts["here"].items()
    )
    missing = ", ".join(facts["missing"])
    says = f"{folder}: {here or 'none yet'}; without files: {', '.join(facts['always'])}"
    if problem and missing:
        says = f"{says}; it cannot be written: {problem}"
        return Check("data", "note", says, f"for what is missing, {hint}", facts)
    return Check("data", "ok", f"{says}; to be had: {missing}" if missing else says, facts=facts)


def _present(folder: Path) -> dict[str, Any]:
    """The data sets by whether their files are in a folder: here (name → splits), and so on."""
    from drawzoo.data.dataset import find_dataset
    from drawzoo.registry.loader import registry

    here: dict[str, list[str]] = {}
    incomplete: dict[str, list[str]] = {}
    always, missing = [], []
    entries: list[Entry] = []
    with contextlib.suppress(DrawzooError):  # what is wrong with plugins has its own line
        entries = [*registry().entries("dataset")]
    for entry in entries:
        try:
            dataset = find_dataset(entry.qualified)
            files = {split: dataset.files(folder, split) for split in dataset.splits}
        except Exception:  # a plugin's own; `drawzoo plugins --check` says what it is
            continue
        if None in files.values():
            continue
        if not any(files.values()):
            always.append(entry.name)
            continue
        splits = [split for split, paths in files.items() if all(map(_readable, paths or ()))]
        if splits:
            here[entry.name] = splits
            if lacking := [split for split in files if split not in splits]:
                incomplete[entry.name] = lacking
        else:
            missing.append(entry.name)
    return {"here": here, "incomplete": incomplete, "missing": missing, "always": always}


def hub(*, online: bool) -> Check:
    """Whether the Hub answers; it is asked only if `online`."""
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    facts: dict[str, Any] = {"endpoint": endpoint, "reachable": None}
    if not online:
        return Check("hub", "ok", "not asked; --online asks it", facts=facts)
    from drawzoo.store.client import Session, UnreachableError
    from drawzoo.store.published import manifest

    repositories = [one.repository for one in manifest().values()]
    try:
        Session().resolve(next(iter(repositories), "drawzoo/none"), "main")
    except UnreachableError as error:
        hint = "check the network, HF_ENDPOINT, HF_HUB_OFFLINE; models that ship need none"
        return Check("hub", "fault", str(error), hint, facts | {"reachable": False})
    except DrawzooError:
        pass  # an answer all the same
    return Check("hub", "ok", f"{endpoint} answers", facts=facts | {"reachable": True})


def _place(folder: Path) -> tuple[dict[str, Any], str | None]:
    """A folder that may have to be made: its facts, and why it cannot be written to."""
    facts: dict[str, Any] = {"folder": str(folder), "free_bytes": None, "writable": False}
    nearest = next(place for place in (folder, *folder.absolute().parents) if _there(place))
    try:
        facts["free_bytes"] = shutil.disk_usage(nearest).free
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return facts, f"{nearest}: {error.strerror or error}"
    return facts | {"writable": True}, None


def _there(place: Path) -> bool:
    """Whether something is there; what cannot be looked at is."""
    try:
        return place.exists()
    except OSError:
        return True


def _readable(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, links not followed; none for what cannot be read."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total


def _megabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
