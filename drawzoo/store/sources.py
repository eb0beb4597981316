"""Where a model's files come from. Free of torch, and of the Hub's client until it is needed.

A place that the user names (`local-dir:PATH`, `hf-hub:user/repo@revision`) is the only place asked.
A published model is pinned by content, so that every copy is the same: loading takes the cheapest
copy, from the cache, from the package, or else from the Hub; `pull` alone means the Hub. The cache
has the layout of the Hub's client, so that `hf cache` finds, lists and removes the files too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

from drawzoo.disk.atomic import make_folder, write_atomic
from drawzoo.disk.paths import expanded, hub_cache
from drawzoo.errors import HubError, UnknownNameError, WeightsError
from drawzoo.registry.loader import registry
from drawzoo.schema.manifest import FILES, USED, Published, mismatch, verify
from drawzoo.store.client import COMMIT, Report, Session
from drawzoo.store.fetching import HUB, fetch_pinned, fetch_stranger, remember, resolve, snapshot
from drawzoo.store.published import cached, manifest, name_of, pinned, shipped
from drawzoo.store.validate import check_stranger

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
    "pull",
    "shipped",
    "snapshot",
]

log = logging.getLogger("drawzoo")

LOCAL = "local-dir:"
"""How the name of a model in a folder begins."""

Source = Literal["local-dir", "cache", "hub", "shipped"]

_URL = re.compile(r"https?://[^/]+/([\w.-]+/[\w.-]+)(?:/(?:tree|blob|resolve)/([^/]+).*)?/?", re.A)
_ADDRESS = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w./-]*))?", re.A)


class Located(NamedTuple):
    """A model's folder, and the kind of place where it lies."""

    folder: Path
    source: Source
    commit: str | None = None
    """The commit on the Hub that the folder was fetched at."""


class Address(NamedTuple):
    """A model on the Hub."""

    repository: str
    revision: str
    """A branch, a tag, or a full commit."""


def _silent(arrived: int, expected: int | None) -> None:
    pass


def locate(
    name: str,
    *,
    files: Collection[str] = USED,
    cache: Path | None = None,
    report: Report = _silent,
) -> Located:
    """The folder to load a model from: the cheapest verified copy.

    Arguments:
        name: A registered name, `local-dir:PATH` or `hf-hub:user/repo@revision`.
        files: The files that are needed; of a stranger's model at most `manifest.USED`.
        cache: The Hub's cache; the user's unless given.
        report: Is told of the bytes as they arrive.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If the model has no weights, or the weights are not the published ones.
        ConfigError: If a stranger's configuration is not valid.
        HubError: If only the Hub may have the model, and does not give it.
        OutputError: If the model must be fetched, and the cache cannot be written.
    """
    cache = cache or hub_cache()
    if name.startswith(LOCAL):
        folder = _checked_folder(name.removeprefix(LOCAL))
        check_stranger(folder)
        return Located(folder, "local-dir")
    if name.startswith(HUB):
        return _from_address(parse_address(name), files, cache, report)
    short, published = published_model(name)
    damage = None
    copies: list[tuple[Source, Path | None]] = [
        ("cache", cached(short, cache)),
        ("shipped", shipped(short)),
    ]
    for source, folder_or_none in copies:
        if folder_or_none is None:
            continue
        try:
            verify(folder_or_none, published, files)
        except WeightsError as error:
            damage = damage or error
            continue
        if damage:
            log.warning(f"{damage}; another copy is used")
        return Located(folder_or_none, source, published.commit if source == "cache" else None)
    if published.commit:
        folder = fetch_pinned(published, published.commit, files, cache, report)
        return Located(folder, "hub", published.commit)
    raise damage or _not_shipped(name)


def pull(
    name: str,
    source: str = "auto",
    *,
    cache: Path | None = None,
    report: Report = _silent,
) -> Located:
    """Brings all files of a published model from the Hub into the cache, unless they are there.

    Arguments:
        name: As for `locate`; a model that is not published by name is located.
        source: "hub"; "shipped" to verify the copy that ships instead; "auto" for the Hub or, if
            the Hub does not give the model, the copy that ships, with a message.
        cache: The Hub's cache; the user's unless given.
        report: Is told of the bytes as they arrive.

    Raises:
        DrawzooError: As `locate` does.
    """
    if name.startswith((LOCAL, HUB)):
        return locate(name, cache=cache, report=report)
    cache = cache or hub_cache()
    short, published = published_model(name)
    if source != "shipped":
        if folder := _good(short, published, cache):
            return Located(folder, "cache", published.commit)
        try:
            if published.commit is None:
                raise HubError(f"{name} is not on the Hub yet")
            folder = fetch_pinned(published, published.commit, FILES, cache, report)
            return Located(folder, "hub", published.commit)
        except HubError as error:
            if source == "hub":
                raise
            reason = error
    if (own := shipped(short)) is None:
        raise _not_shipped(name) if source == "shipped" else reason
    verify(own, published)
    if source != "shipped":
        log.warning(f"{reason}; the copy that ships is good")
    return Located(own, "shipped")


class Preview(NamedTuple):
    """The plan of a `pull`."""

    source: Source
    repository: str | None
    commit: str | None
    bytes: int | None
    """Bytes to be fetched; None if the Hub does not say."""


def preview(name: str, source: str = "auto", *, cache: Path | None = None) -> Preview:
    """The plan of a `pull`; fetches nothing, and asks the Hub only about an `hf-hub:` model.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If the model has no weights.
        HubError: If the Hub does not have the model, or does not answer.
    """
    cache = cache or hub_cache()
    if name.startswith(LOCAL):
        _checked_folder(name.removeprefix(LOCAL))
        return Preview("local-dir", None, None, 0)
    if name.startswith(HUB):
        repository, revision = parse_address(name)
        session = Session()
        commit = resolve(session, repository, revision, cache)
        folder = snapshot(repository, commit, cache)
        missing = [file for file in USED if not (folder / file).is_file()]
        sizes = [session.size(repository, commit, file) for file in missing]
        known = [size for size in sizes if size is not None]
        whole = sum(known) if len(known) == len(sizes) else None
        return Preview("hub" if missing else "cache", repository, commit, whole)
    short, published = published_model(name)
    place: Source = "shipped"
    if source != "shipped" and _good(short, published, cache):
        place = "cache"
    elif source != "shipped" and published.commit:
        place = "hub"
    elif source == "hub":
        raise HubError(f"{name} is not on the Hub yet; say --source shipped")
    folder = snapshot(published.repository, published.commit or "", cache)
    wrong = [pin.bytes for file, pin in published.files.items() if mismatch(folder / file, pin)]
    bytes_ = sum(wrong) if place == "hub" else 0
    return Preview(place, published.repository, published.commit, bytes_)


def copy_to(folder: Path, target: Path, name: str) -> Path:
    """Copies a model's files into a folder of its own below `target`, each whole or not at all.

    Arguments:
        folder: Where `locate` found the model.
        target: The folder to make the model's folder in.
        name: The name that was located; the last part names the new folder.

    Returns:
        The new folder.

    Raises:
        OutputError: If the new folder cannot be written.
        WeightsError: If the model changed meanwhile and is not the published one any more.
    """
    unpublished = name.startswith((LOCAL, HUB))
    if unpublished:
        short = folder.resolve().name if name.startswith(LOCAL) else name.rpartition("/")[2]
    else:
        # Models of several distributions may have the same name.
        short = published_model(name)[0].replace(":", "-")
    own = target / short.partition("@")[0]
    make_folder(own)
    for file in USED if unpublished else published_model(name)[1].files:
        write_atomic(own / file, (folder / file).read_bytes())
    if not unpublished:
        verify(own, published_model(name)[1])
    return own


def parse_address(name: str) -> Address:
    """The repository and revision that `hf-hub:user/repo@revision` names.

    Raises:
        UnknownNameError: If the name has another form.

    Example:
        >>> parse_address("hf-hub:user/repo")
        Address(repository='user/repo', revision='main')
    """
    match = _ADDRESS.fullmatch(name.removeprefix(HUB))
    if match is None or ".." in name or "--" in match[1] or "//" in name:
        raise UnknownNameError(f"{name!r} is no address; say {HUB}user/repo or {HUB}user/repo@tag")
    return Address(match[1], match[2] or "main")


def parse_repository(name: str) -> str:
    """`name`, if it has the form user/repo.

    Raises:
        UnknownNameError: If the name has another form.
    """
    if "@" in name or ":" in name:
        raise UnknownNameError(f"{name!r} is no repository; say user/repo")
    return parse_address(f"{HUB}{name}").repository


def published_model(name: str) -> tuple[str, Published]:
    """A registered model's shortest name, and its published weights.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If the model has no published weights.
        ConfigError: If its distribution's manifest is not valid.
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
    return name_of(entry), published


def _meant(name: str) -> str:
    """The advice for a name that looks like an address or a path."""
    if name.startswith(HUB):
        return f"what is published under an address has no pinned files; say drawzoo pull {name}"
    if url := _URL.fullmatch(name):
        return f"say {HUB}{url[1]}" + (f"@{url[2]}" if url[2] else "")
    if _ADDRESS.fullmatch(name) and not Path(name).is_dir():
        return f"for a folder say {LOCAL}{name}, for a model on the Hub {HUB}{name}"
    return f"for a folder say {LOCAL}{name}"


def _good(short: str, published: Published, cache: Path) -> Path | None:
    """The cache's folder of a published model; None unless all files are there and as published."""
    if folder := cached(short, cache):
        with contextlib.suppress(WeightsError):
            verify(folder, published)
            return folder
    return None


def _from_address(address: Address, files: Collection[str], cache: Path, report: Report) -> Located:
    repository, revision = address
    session = None if COMMIT.fullmatch(revision) else Session(report)
    commit = resolve(session, repository, revision, cache) if session else revision
    for published in manifest().values():
        if (published.repository, published.commit) == (repository, commit):
            return Located(fetch_pinned(published, commit, files, cache, report), "hub", commit)
    folder = snapshot(repository, commit, cache)
    if all((folder / file).is_file() for file in USED if file in files):
        check_stranger(folder)
    else:
        fetch_stranger(session or Session(report), repository, commit, files, folder)
    if revision != commit:
        remember(repository, revision, commit, cache)
    return Located(folder, "hub", commit)


def _not_shipped(name: str) -> WeightsError:
    return WeightsError(f"this installation does not ship the weights of {name}; reinstall it")


def _checked_folder(text: str) -> Path:
    """A folder that a user names; its files must be regular files inside the folder."""
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
