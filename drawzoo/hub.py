"""Where a model's files come from, and bringing them into the cache. Free of torch.

In order: what the user names (`local-dir:PATH`); the verified cache; the copy that ships with the
package. Every source of a published model is checked against the manifest, every time.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from drawzoo.errors import OutputError, UnknownNameError, WeightsError
from drawzoo.manifest import Published, manifest, verify
from drawzoo.paths import cache_root
from drawzoo.registry import registry

__all__ = ["Located", "cached", "locate", "pull", "shipped"]

log = logging.getLogger("drawzoo")

LOCAL = "local-dir:"
ATTEMPTS = 100


class Located(NamedTuple):
    """A model's folder, and what kind of place it is."""

    folder: Path
    source: str
    """"local-dir", "cache" or "shipped"."""


def locate(name: str) -> Located:
    """The folder of a model, verified if it is a published one.

    Arguments:
        name: A registered name or `local-dir:PATH`.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If it has no weights, or they are damaged.
    """
    if name.startswith(LOCAL):
        folder = Path(name.removeprefix(LOCAL)).expanduser()
        if not folder.is_dir():
            raise WeightsError(f"there is no folder {folder}")
        return Located(folder, "local-dir")
    short, published = _published(name)
    if copy := cached(short):
        try:
            verify(copy, published)
            return Located(copy, "cache")
        except WeightsError as error:
            log.warning(f"{error}; using another copy (mend it with: drawzoo pull {name})")
    # The Hub's place is here, between the cache and the shipped copy.
    return Located(_verified_shipped(short, published), "shipped")


def pull(name: str) -> Located:
    """Brings a published model into the cache, verified.

    A damaged copy in the cache is replaced.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If no source has the right files.
        OutputError: If the cache cannot be written.
    """
    short, published = _published(name)
    target = _cache_folder(short, published)
    if target.is_dir():
        with contextlib.suppress(WeightsError):
            verify(target, published)
            return Located(target, "cache")
    source = _verified_shipped(short, published)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=target.parent) as temporary:
            fresh = Path(temporary, "fresh")
            fresh.mkdir()
            for file in published.files:
                shutil.copyfile(source / file, fresh / file)
            verify(fresh, published)
            _put(fresh, target, published)
    except OSError as error:
        raise OutputError(
            f"cannot pull {name} to {target}: {error.strerror or error}; make room, or choose "
            "another cache with DRAWZOO_CACHE"
        ) from error
    return Located(target, "shipped")


def _put(fresh: Path, target: Path, published: Published) -> None:
    """Moves a verified folder to its place, unless another process has just done the same."""
    for attempt in range(ATTEMPTS):
        try:
            fresh.rename(target)
            return
        except OSError as error:
            taken = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
            if error.errno not in taken or attempt == ATTEMPTS - 1:
                raise
        try:
            verify(target, published)
            return
        except WeightsError:
            with contextlib.suppress(FileNotFoundError):
                target.rename(fresh.with_name(f"damaged-{attempt}"))


def cached(name: str) -> Path | None:
    """The cache's folder of a published model, if there is one."""
    published = manifest().get(name)
    folder = _cache_folder(name, published) if published else None
    return folder if folder and folder.is_dir() else None


def shipped(name: str) -> Path | None:
    """The folder of the copy that ships with the package, if there is one."""
    package = Path(__file__).parent
    # In a wheel the cards lie inside the package, in a checkout beside it.
    for place in (package / "model_cards", package.parent / "model_cards"):
        if (place / name).is_dir():
            return place / name
    return None


def _verified_shipped(name: str, published: Published) -> Path:
    folder = shipped(name)
    if folder is None:
        raise WeightsError(f"this installation does not ship the weights of {name}; reinstall it")
    verify(folder, published)
    return folder


def _published(name: str) -> tuple[str, Published]:
    """A registered model's short name, and its published weights."""
    if "/" in name or "\\" in name or name.startswith("."):
        raise UnknownNameError(f"{name!r} is no model's name; for a folder say {LOCAL}{name}")
    short = registry().find("model", name).name
    if short not in manifest():
        raise WeightsError(
            f"{name} has no published weights; train it (drawzoo train {name} --out DIR) and use "
            f"it as {LOCAL}DIR"
        )
    return short, manifest()[short]


def _cache_folder(name: str, published: Published) -> Path:
    # Named by content, so that another version's files are another folder.
    version = published.files["model.safetensors"].sha256[:16]
    return cache_root() / "models" / name / version
