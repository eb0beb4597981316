"""Where a model's files come from. Free of torch, and of the Hub's client until it is needed.

What the user names (`local-dir:PATH`, `hf-hub:user/repo@revision`) is taken from there. A published
model comes from the verified cache, else from the Hub, else from the copy that ships with the
package. The cache is the Hub's own, so that other programs find the files too and nothing is there
twice; but only what agrees with the manifest, by content, is ever used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

from drawzoo import hub_client
from drawzoo.config import MAX_JSON_BYTES
from drawzoo.errors import HubError, OutputError, UnknownNameError, WeightsError
from drawzoo.files import write_atomic
from drawzoo.folder import CHEAP_BYTES, check_size, check_stranger, read_config
from drawzoo.hub_client import Report
from drawzoo.manifest import (
    CONFIG,
    FILES,
    USED,
    WEIGHTS,
    Pin,
    Published,
    manifest,
    mismatch,
    verify,
)
from drawzoo.paths import expanded, hub_cache
from drawzoo.registry import Entry, canonical, registry

__all__ = [
    "HUB",
    "LOCAL",
    "Address",
    "Located",
    "Preview",
    "cached",
    "copy_to",
    "locate",
    "parse_address",
    "parse_repository",
    "pinned",
    "preview",
    "published_model",
    "repository_folder",
    "shipped",
    "snapshot",
]

log = logging.getLogger("drawzoo")

LOCAL = "local-dir:"
HUB = "hf-hub:"
Source = Literal["local-dir", "cache", "hub", "shipped"]

# In a wheel the cards lie inside the package, in a checkout beside it.
_PACKAGE = Path(__file__).parent
_CARDS = (_PACKAGE / "model_cards", _PACKAGE.parent / "model_cards")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_URL = re.compile(r"https?://[^/]+/([\w.-]+/[\w.-]+)(?:/(?:tree|blob|resolve)/([^/]+).*)?/?", re.A)
_ADDRESS = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w./-]*))?", re.A)


class Located(NamedTuple):
    """A model's folder, and what kind of place it is."""

    folder: Path
    source: Source
    commit: str | None = None
    """The commit on the Hub that it was fetched at."""


class Address(NamedTuple):
    """A model on the Hub."""

    repository: str
    revision: str
    """A branch, a tag, or a full commit."""


def locate(
    name: str,
    source: str = "auto",
    *,
    files: Collection[str] = FILES,
    cache: Path | None = None,
    report: Report = lambda arrived: None,
) -> Located:
    """The folder of a model, brought here if it must be, verified if it is a published one.

    Arguments:
        name: A registered name, `local-dir:PATH` or `hf-hub:user/repo@revision`.
        source: Of a registered name: "hub", "shipped", or "auto" for the first that has it.
        files: Those that are needed; of a stranger's model never more than `manifest.USED`.
        cache: The Hub's cache; the user's unless given.
        report: Is told of the bytes as they arrive.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If it has no weights, or they are not those published.
        ConfigError: If a stranger's configuration is not valid.
        HubError: If only the Hub may have it, and does not give it.
        OutputError: If the cache cannot be written.
    """
    cache = cache or hub_cache()
    if name.startswith(LOCAL):
        folder = _checked_folder(name.removeprefix(LOCAL))
        check_stranger(folder)
        return Located(folder, "local-dir")
    if name.startswith(HUB):
        return _from_address(parse_address(name), files, cache, report)
    short, published = published_model(name)
    place = _place(name, short, published, source, files, cache)
    copy = cached(short, cache)
    if place == "cache" and copy:
        return Located(copy, "cache", published.commit)
    if place == "hub" and published.commit:
        try:
            last = source == "hub" or shipped(short) is None
            patience = None if last else hub_client.PATIENCE
            folder = _fetch_pinned(published, published.commit, files, cache, report, patience)
            return Located(folder, "hub", published.commit)
        except (HubError, OutputError) as error:
            if last:
                raise
            damage = f"{copy} is damaged or not complete, and " if copy else ""
            log.warning(f"{damage}{error}; using the copy that ships with drawzoo")
    return Located(_verified_shipped(short, published, files), "shipped")


class Preview(NamedTuple):
    """What `locate` would do."""

    source: Source
    repository: str | None
    commit: str | None
    bytes: int | None
    """To be fetched; None if the Hub does not say."""


def preview(
    name: str,
    source: str = "auto",
    *,
    files: Collection[str] = FILES,
    cache: Path | None = None,
) -> Preview:
    """What `locate` would do; it fetches nothing, and asks the Hub only about an `hf-hub:` one.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If it has no weights.
        HubError: If the Hub does not have it, or does not answer.
    """
    cache = cache or hub_cache()
    if name.startswith(LOCAL):
        _checked_folder(name.removeprefix(LOCAL))
        return Preview("local-dir", None, None, 0)
    if name.startswith(HUB):
        repository, revision = parse_address(name)
        commit = _commit(repository, revision, cache)
        folder = snapshot(repository, commit, cache)
        missing = [file for file in USED if file in files and not (folder / file).is_file()]
        sizes = [hub_client.size_of(repository, commit, file) for file in missing]
        known = [size for size in sizes if size is not None]
        whole = sum(known) if len(known) == len(sizes) else None
        return Preview("hub" if missing else "cache", repository, commit, whole)
    short, published = published_model(name)
    place = _place(name, short, published, source, files, cache)
    bytes_ = 0
    if place == "hub" and published.commit:
        folder = snapshot(published.repository, published.commit, cache)
        pins = _pins(published, files)
        bytes_ = sum(pin.bytes for file, pin in pins.items() if mismatch(folder / file, pin))
    return Preview(place, published.repository, published.commit, bytes_)


def copy_to(folder: Path, target: Path, name: str) -> Path:
    """Copies a model's files into a folder of its own below `target`, each whole or not at all.

    Arguments:
        folder: Where `locate` found it.
        target: The folder to make its folder in.
        name: What it was located by; the last part names its folder.

    Returns:
        Its folder.

    Raises:
        OutputError: If it cannot be written.
        WeightsError: If it changed meanwhile and is not the published one any more.
    """
    strange = name.startswith((LOCAL, HUB))
    short = folder.resolve().name if name.startswith(LOCAL) else name.rpartition(":")[2]
    own = target / short.rpartition("/")[2].partition("@")[0]
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {own}: {error.strerror}; choose another"
        ) from error
    for file in USED if strange else published_model(name)[1].files:
        write_atomic(own / file, (folder / file).read_bytes())
    if not strange:
        verify(own, published_model(name)[1])
    return own


def parse_address(name: str) -> Address:
    """The repository and revision that `hf-hub:user/repo@revision` names.

    Raises:
        UnknownNameError: If it is not of that form.

    Example:
        >>> parse_address("hf-hub:user/repo")
        Address(repository='user/repo', revision='main')
    """
    match = _ADDRESS.fullmatch(name.removeprefix(HUB))
    if match is None or ".." in name or "--" in match[1] or "//" in name:
        raise UnknownNameError(f"{name!r} is no address; say {HUB}user/repo or {HUB}user/repo@tag")
    return Address(match[1], match[2] or "main")


def parse_repository(name: str) -> str:
    """`name`, if it is of the form user/repo.

    Raises:
        UnknownNameError: If it is not.
    """
    if "@" in name or ":" in name:
        raise UnknownNameError(f"{name!r} is no repository; say user/repo")
    return parse_address(f"{HUB}{name}").repository


def repository_folder(repository: str, cache: Path) -> Path:
    """The folder in which the Hub's client keeps a repository."""
    return cache / f"models--{repository.replace('/', '--')}"


def snapshot(repository: str, commit: str, cache: Path) -> Path:
    """The folder in which the Hub's client puts a repository's files of a commit."""
    return repository_folder(repository, cache) / "snapshots" / commit


def cached(name: str, cache: Path | None = None) -> Path | None:
    """The cache's folder of a published model, if there is one, unverified."""
    published = manifest().get(name)
    if published is None or published.commit is None:
        return None
    folder = snapshot(published.repository, published.commit, cache or hub_cache())
    return folder if folder.is_dir() else None


def shipped(name: str) -> Path | None:
    """The folder of the copy that ships with the package, if there is one."""
    return next((place / name for place in _CARDS if (place / name).is_dir()), None)


def published_model(name: str) -> tuple[str, Published]:
    """A registered model's short name, and its published weights.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If it has no published weights.
    """
    if "/" in name or "\\" in name or name.startswith("."):
        raise UnknownNameError(f"{name!r} is no model's name; {_meant(name)}")
    entry = registry().find("model", name)
    published = pinned(entry)
    if published is None:
        raise WeightsError(
            f"{name} has no published weights; train it (drawzoo train {name} --out DIR) and use "
            f"it as {LOCAL}DIR"
        )
    return entry.name, published


def _meant(name: str) -> str:
    """What to say instead of an address or a path."""
    if name.startswith(HUB):
        return f"what is published under an address has no pinned files; say drawzoo pull {name}"
    if url := _URL.fullmatch(name):
        return f"say {HUB}{url[1]}" + (f"@{url[2]}" if url[2] else "")
    if _ADDRESS.fullmatch(name) and not Path(name).is_dir():
        return f"for a folder say {LOCAL}{name}, for a model on the Hub {HUB}{name}"
    return f"for a folder say {LOCAL}{name}"


def pinned(entry: Entry) -> Published | None:
    """The published weights of a registered model, None if it has none.

    The manifest is drawzoo's own: another distribution's model of the same name is another model.
    """
    return manifest().get(entry.name) if canonical(entry.distribution) == "drawzoo" else None


def _pins(published: Published, files: Collection[str]) -> dict[str, Pin]:
    """The pins of those files that are needed."""
    return {file: pin for file, pin in published.files.items() if file in files}


def _place(
    name: str, short: str, published: Published, source: str, files: Collection[str], cache: Path
) -> Source:
    """Where a published model is to come from."""
    if source == "shipped":
        return "shipped"
    if folder := cached(short, cache):
        with contextlib.suppress(WeightsError):
            verify(folder, published, files)
            return "cache"
    if published.commit:
        return "hub"
    if source == "hub":
        raise HubError(f"{name} is not on the Hub yet; say --source shipped")
    return "shipped"


def _commit(repository: str, revision: str, cache: Path) -> str:
    if _COMMIT.fullmatch(revision):
        return revision
    commit = hub_client.resolve(repository, revision, cache)
    log.warning(f"{HUB}{repository}@{revision} is commit {commit}")
    return commit


def _from_address(address: Address, files: Collection[str], cache: Path, report: Report) -> Located:
    repository = address.repository
    commit = _commit(repository, address.revision, cache)
    for published in manifest().values():
        if (published.repository, published.commit) == (repository, commit):
            folder = _fetch_pinned(published, commit, files, cache, report)
            return Located(folder, "hub", commit)
    folder = snapshot(repository, commit, cache)
    for file in USED:
        if file in files and not (folder / file).is_file():
            limit = MAX_JSON_BYTES if file == CONFIG else _weights_limit(folder, address, commit)
            hub_client.fetch(repository, commit, file, cache, limit=limit, report=report)
        # The configuration is read before anything that could be long is fetched.
        check_stranger(folder)
    return Located(folder, "hub", commit)


def _weights_limit(folder: Path, address: Address, commit: str) -> int:
    """The bytes that a stranger's weights may have, by the configuration that is there."""
    size = hub_client.size_of(address.repository, commit, WEIGHTS)
    if size is not None:
        check_size(f"{WEIGHTS} of {address.repository}", size, read_config(folder))
        if size <= CHEAP_BYTES:
            return CHEAP_BYTES
    from drawzoo.weights import weights_bytes

    return weights_bytes(folder) + MAX_JSON_BYTES


def _fetch_pinned(
    published: Published,
    commit: str,
    files: Collection[str],
    cache: Path,
    report: Report,
    patience: float | None = None,
) -> Path:
    """The folder of the files of a commit, each as pinned; what differs is fetched once more."""
    folder = snapshot(published.repository, commit, cache)
    for file, expected in _pins(published, files).items():
        path = folder / file
        if path.exists() and mismatch(path, expected):
            _discard(path, cache)
        for _ in range(2):
            if not path.exists():
                hub_client.fetch(
                    published.repository,
                    commit,
                    file,
                    cache,
                    limit=expected.bytes,
                    report=report,
                    patience=patience,
                )
            if (problem := mismatch(path, expected)) is None:
                break
            _discard(path, cache)
        else:
            raise WeightsError(f"{problem}; it was fetched twice and removed, check HF_ENDPOINT")
    return folder


def _discard(path: Path, cache: Path) -> None:
    """Removes a file of the cache and, where it is a link within the cache, what it points to."""
    content = path.resolve()
    try:
        path.unlink(missing_ok=True)
        if content.is_relative_to(cache.resolve()):
            content.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} is damaged and cannot be removed: {error.strerror}; choose another cache "
            "with --cache-dir or HF_HOME"
        ) from error


def _checked_folder(text: str) -> Path:
    """A folder that a user names, whose files are files and lie in it."""
    folder = expanded(text)
    if not folder.is_dir():
        raise WeightsError(f"there is no folder {folder}")
    root = os.path.realpath(folder)
    for file in USED:
        path = folder / file
        # Unlike Path.resolve, realpath does not stumble over a link to itself.
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            raise WeightsError(f"{path} is a link out of the folder; put the file itself there")
        if path.exists() and not path.is_file():
            raise WeightsError(f"{path} is no regular file; put the file itself there")
    return folder


def _verified_shipped(name: str, published: Published, files: Collection[str]) -> Path:
    folder = shipped(name)
    if folder is None:
        raise WeightsError(f"this installation does not ship the weights of {name}; reinstall it")
    verify(folder, published, files)
    return folder
