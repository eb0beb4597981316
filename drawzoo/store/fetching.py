"""Fetching from the Hub: files are checked, and only then put into the cache. Free of torch.

Files arrive in a private folder inside the cache. Once every file is as pinned or, for a model that
no manifest pins, has passed `check_stranger`, all files are moved to where the Hub's client looks.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from drawzoo.disk.atomic import write_atomic
from drawzoo.errors import DrawzooError, OutputError, WeightsError
from drawzoo.schema.base import MAX_JSON_BYTES
from drawzoo.schema.manifest import CONFIG, USED, WEIGHTS, Published, mismatch
from drawzoo.store.client import COMMIT, Report, Session, UnreachableError
from drawzoo.store.validate import CHEAP_BYTES, check_size, check_stranger, read_config

__all__ = [
    "HUB",
    "fetch_pinned",
    "fetch_stranger",
    "remember",
    "repository_folder",
    "resolve",
    "snapshot",
]

log = logging.getLogger("drawzoo")

HUB = "hf-hub:"
"""How the name of a repository's model begins."""

ABANDONED = 120.0
"""Seconds without a byte after which an unfinished download counts as abandoned."""

_INCOMING = "incoming-"


def repository_folder(repository: str, cache: Path) -> Path:
    """The folder in which the Hub's client keeps a repository."""
    return cache / f"models--{repository.replace('/', '--')}"


def snapshot(repository: str, commit: str, cache: Path) -> Path:
    """The folder in which the Hub's client puts a repository's files of a commit."""
    return repository_folder(repository, cache) / "snapshots" / commit


def resolve(session: Session, repository: str, revision: str, cache: Path) -> str:
    """The commit that a revision means now or, offline, meant when it was last used.

    Raises:
        HubError: If there is no such commit.
    """
    if COMMIT.fullmatch(revision):
        return revision
    reference = repository_folder(repository, cache) / "refs" / revision
    try:
        commit = session.resolve(repository, revision)
    except UnreachableError:
        try:
            commit = reference.read_text(encoding="ascii")
        except (OSError, ValueError):
            commit = ""
        if not COMMIT.fullmatch(commit):
            raise
    log.warning(f"{HUB}{repository}@{revision} is commit {commit}")
    return commit


def remember(repository: str, revision: str, commit: str, cache: Path) -> None:
    """Keeps the commit that a revision means, for use offline."""
    reference = repository_folder(repository, cache) / "refs" / revision
    # If this fails, the Hub is asked again next time.
    with contextlib.suppress(OSError, OutputError):
        if not reference.is_file() or reference.read_bytes() != commit.encode():
            reference.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(reference, commit.encode())


def fetch_stranger(
    session: Session, repository: str, commit: str, files: Collection[str], folder: Path
) -> None:
    """Fetches the files that a snapshot lacks; all are checked before the first appears."""
    with _incoming(folder, f"{HUB}{repository}@{commit[:12]}") as new:
        for file in USED:
            if file not in files:
                continue
            if (folder / file).is_file():
                shutil.copyfile(folder / file, new / file)
            else:
                limit = MAX_JSON_BYTES if file == CONFIG else _weights_limit(new)
                session.fetch(repository, commit, file, new / file, limit)
            # The configuration is read before the weights, which could be long, are fetched.
            check_stranger(new)


def _weights_limit(folder: Path) -> Callable[[int | None], int]:
    """The most bytes that a stranger's weights may have, by the configuration in the folder."""

    def limit(announced: int | None) -> int:
        if announced is not None:
            check_size(folder / WEIGHTS, announced, read_config(folder))
            if announced <= CHEAP_BYTES:
                return CHEAP_BYTES
        from drawzoo.store.weights import weights_bytes

        return weights_bytes(folder) + MAX_JSON_BYTES

    return limit


def fetch_pinned(
    published: Published, commit: str, files: Collection[str], cache: Path, report: Report
) -> Path:
    """The folder of a commit's files, each as pinned; a file that differs is fetched once more."""
    repository = published.repository
    folder = snapshot(repository, commit, cache)
    lacking = {
        file: pin
        for file, pin in published.files.items()
        if file in files and mismatch(folder / file, pin)
    }
    if not lacking:
        return folder
    session = Session(report, expected=sum(pin.bytes for pin in lacking.values()))
    with _incoming(folder, f"{HUB}{repository}@{commit[:12]}") as new:
        for file, expected in lacking.items():
            for last in (False, True):
                session.fetch(repository, commit, file, new / file, expected.bytes)
                if (problem := mismatch(new / file, expected)) is None:
                    break
                if last:
                    raise WeightsError(f"{problem}; it was fetched twice, check HF_ENDPOINT")
    return folder


@contextlib.contextmanager
def _incoming(snapshot: Path, name: str) -> Iterator[Path]:
    """A private folder in the cache, whose files take their places in a snapshot at the end.

    Arguments:
        snapshot: The snapshot's folder, which need not exist yet.
        name: What errors call the private folder, which is gone when the user reads the error.

    Raises:
        OutputError: If the cache cannot be written.
    """
    place = snapshot.parent.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        new = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=place))
        try:
            yield new
            snapshot.mkdir(parents=True, exist_ok=True)
            for path in new.iterdir():
                path.replace(snapshot / path.name)
        except DrawzooError as error:
            where = str(snapshot) if isinstance(error, OutputError) else name
            raise type(error)(str(error).replace(str(new), where)) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"cannot write {error.filename or place}: {error.strerror or error}; make room, or "
            "choose another cache with --cache-dir or HF_HOME"
        ) from error
    finally:
        # A repository without a snapshot would be called damaged by the client.
        with contextlib.suppress(OSError):
            place.rmdir()


def _sweep(place: Path) -> None:
    """Removes the folders that killed downloads left."""
    for left in place.glob(f"{_INCOMING}*"):
        with contextlib.suppress(OSError):
            if time.time() - max(p.stat().st_mtime for p in (left, *left.iterdir())) > ABANDONED:
                shutil.rmtree(left)
