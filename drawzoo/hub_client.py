"""The one place that fetches from the Hugging Face Hub; every failure leaves it as one line.

`huggingface_hub` is imported when something is fetched and not before. Nothing here sends a token.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import queue
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from drawzoo import __version__
from drawzoo.errors import DrawzooError, HubError, OutputError, WeightsError

__all__ = ["ABOUT", "PATIENCE", "Report", "fetch", "hub_errors", "resolve", "size_of"]

PATIENCE = 4.0
"""Seconds in which the Hub must give its first answer."""

CHUNK = 4096
"""Bytes after which progress is told; at 1 kB/s that is as often as `PATIENCE` asks for."""

Report = Callable[[int], None]
"""Is told the number of bytes that have just arrived."""

ABOUT: dict[str, Any] = {"library_name": "drawzoo", "library_version": __version__}
"""Who asks."""

T = TypeVar("T")


def resolve(repository: str, revision: str, cache: Path) -> str:
    """The full commit that a branch or tag of a repository means now.

    Where the Hub cannot be reached, it is the commit it meant last.

    Raises:
        HubError: If there is no such repository or revision, or the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=False, **ABOUT)

    def ask(**options: Any) -> str:
        found = api.resolve_revision(repository, revision=revision, cache_dir=cache, **options)
        if not re.fullmatch("[0-9a-f]{40}", str(found.resolved)):
            raise _unsound(repository)
        return found.resolved

    with hub_errors(repository, revision):
        try:
            return _within(PATIENCE, ask)
        except TimeoutError:
            return ask(local_files_only=True)


def size_of(repository: str, commit: str, file: str) -> int | None:
    """The size that the Hub gives for a file; the first thing asked, so that it is asked briefly.

    The client would try for 24 s to reach a Hub that is down.

    Raises:
        HubError: If it is not there, or the Hub cannot be reached within `PATIENCE`.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(repository, file, revision=commit)

    def ask() -> int | None:
        return get_hf_file_metadata(url, token=False, timeout=PATIENCE, **ABOUT).size

    with hub_errors(repository, commit, file):
        return _within(PATIENCE, ask)


def _unsound(repository: str) -> HubError:
    return HubError(
        f"the Hub's answer for {repository} names no file by its content; check HF_ENDPOINT"
    )


@contextlib.contextmanager
def _sound(repository: str) -> Iterator[None]:
    """Refuses answers whose ETag or commit is not a hash: the client makes paths of both."""
    from huggingface_hub import file_download

    ask = file_download.get_hf_file_metadata

    def checked(*args: Any, **options: Any) -> Any:
        found = ask(*args, **options)
        etag, commit = found.etag or "", found.commit_hash or ""
        if not (re.fullmatch("[0-9a-f]{32,64}", etag) and re.fullmatch("[0-9a-f]{40}", commit)):
            raise _unsound(repository)
        return found

    file_download.get_hf_file_metadata = checked
    try:
        yield
    finally:
        file_download.get_hf_file_metadata = ask


def fetch(
    repository: str,
    commit: str,
    file: str,
    cache: Path,
    *,
    limit: int,
    report: Report,
    patience: float | None = None,
) -> Path:
    """Brings one file at a full commit into the Hub's cache. What it holds is not checked here.

    Arguments:
        repository: user/name.
        commit: 40 hexadecimal digits, so that all files are of the same commit.
        file: Its name in the repository.
        cache: The cache's folder.
        limit: The bytes it may have.
        report: Is told of the bytes as they arrive.
        patience: Seconds without a byte after which to give up, for those who have another copy.
            The client's own patience is a minute, and all there is unless given.

    Returns:
        The path in the cache.

    Raises:
        HubError: If it cannot be had.
        WeightsError: If it is longer than `limit`.
        OutputError: If the cache cannot be written.
    """
    from huggingface_hub import hf_hub_download

    size = size_of(repository, commit, file)
    if size is not None and size > limit:
        raise _too_long(repository, commit, file, limit)
    pulse = _Pulse()
    too_long = _too_long(repository, commit, file, limit)

    def download() -> Path:
        # Within the thread: one that is given up on keeps quiet as well.
        with hub_errors(repository, commit, file):
            return Path(
                hf_hub_download(
                    repository,
                    file,
                    revision=commit,
                    cache_dir=cache,
                    token=False,
                    tqdm_class=_counter(limit, report, too_long, pulse),
                    **ABOUT,
                )
            )

    with (
        hub_errors(repository, commit, file),
        _small_chunks(),
        _sound(repository),
        warnings.catch_warnings(),
    ):
        # That there is little room is told when there is too little.
        warnings.simplefilter("ignore")
        path = download() if patience is None else _within(patience, download, pulse)
    if path.parent.name != commit:
        raise HubError(
            f"{repository}: asked for commit {commit}, the Hub answered with "
            f"{path.parent.name}; check HF_ENDPOINT"
        )
    return path


@contextlib.contextmanager
def hub_errors(repository: str, revision: str, file: str | None = None) -> Iterator[None]:
    """Turns whatever the client raises into one of our errors, and keeps its own talk quiet.

    Raises:
        HubError: If the Hub refuses, lacks what was asked for, or cannot be reached.
        OutputError: If the disk is to blame.
    """
    from huggingface_hub.utils import logging as client_logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    verbosity, bars = client_logging.get_verbosity(), not are_progress_bars_disabled()
    client_logging.set_verbosity(logging.CRITICAL)
    if bars:
        disable_progress_bars()
    try:
        yield
    except DrawzooError:
        raise
    except Exception as error:
        what = f"{file} of {repository}" if file else repository
        raise _explain(error, what, repository, revision) from error
    finally:
        client_logging.set_verbosity(verbosity)
        if bars:
            enable_progress_bars()


def _explain(error: Exception, what: str, repository: str, revision: str) -> DrawzooError:
    from huggingface_hub import errors

    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        # What stops an upload is wrapped.
        return _explain(error.__cause__, what, repository, revision)
    offline = (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError)
    if isinstance(error, (*offline, errors.RevisionResolutionError)):
        # The client wraps the reason, twice at times.
        cause: BaseException = error
        while (inner := cause.__cause__ or cause.__context__) and isinstance(cause, Exception):
            cause = inner
        if "HF_HUB_OFFLINE" in f"{error}{cause}":
            return HubError(f"{what} is not in the cache, and HF_HUB_OFFLINE is set; unset it")
        return HubError(f"{what}: the Hub cannot be reached ({_line(cause)})")
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"{repository} has no revision {revision}; see its page on the Hub")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return HubError(f"{what} is not there at {revision}; a model has it")
    if isinstance(error, errors.HfHubHTTPError):
        return HubError(f"{what}: {_refusal(error.response.status_code)}")
    if isinstance(error, errors.HFValidationError):
        return HubError(f"{repository}: not a repository's name ({_line(error)})")
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return OutputError(
            f"{what}: cannot write {error.filename}: {error.strerror}; make room, or choose "
            "another cache with --cache-dir or HF_HOME"
        )
    full = os.strerror(errno.ENOSPC)
    if (isinstance(error, OSError) and error.errno is not None) or full in str(error):
        # Xet has only words for it.
        reason = getattr(error, "strerror", None) or full
        return OutputError(f"{what}: {reason}; make room, or choose another HF_HOME")
    # The library under the client has changed more than once; its errors are told by their names.
    if isinstance(error, OSError) or type(error).__module__.startswith("httpx"):
        return HubError(f"{what}: the Hub cannot be reached ({_line(error)})")
    return HubError(f"{what}: the Hub's client failed ({_line(error)})")


def _refusal(status: int) -> str:
    # The Hub answers 401 for repositories that do not exist.
    reasons = {
        401: "the Hub has no such public repository, or wants a valid token (hf auth login)",
        403: "the Hub forbids it; see the repository's page for who may",
        404: "the Hub has no such repository",
        412: "somebody else changed the repository at the same time; try again",
        429: "the Hub is asked too often from here; wait some minutes and try again",
    }
    if status >= 500:
        return f"the Hub is not available (HTTP {status}); try again later"
    return reasons.get(status, f"the Hub refuses (HTTP {status})")


def _line(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip()
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:200]


def _too_long(repository: str, commit: str, file: str, limit: int) -> WeightsError:
    return WeightsError(
        f"{file} of {repository}@{commit[:12]} is longer than the {limit:,} bytes it may have; "
        "it is no file of this model"
    )


@functools.cache
def _client_chunk() -> int:
    from huggingface_hub import constants

    return constants.DOWNLOAD_CHUNK_SIZE


@contextlib.contextmanager
def _small_chunks() -> Iterator[None]:
    """Lets the client tell of bytes as they arrive; by itself it does so once in 10 MiB."""
    from huggingface_hub import constants

    constants.DOWNLOAD_CHUNK_SIZE = min(_client_chunk(), CHUNK)
    try:
        yield
    finally:
        constants.DOWNLOAD_CHUNK_SIZE = _client_chunk()


class _Pulse:
    """When the last sign of life came, and whether anybody still waits for the next."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.awaited = True


def _within(seconds: float, call: Callable[[], T], pulse: _Pulse | None = None) -> T:
    """The result of `call`, or `TimeoutError` after so long without one, or without a pulse.

    The client's own limits do not do: a name server, too, may keep silent for minutes.
    """
    pulse = pulse or _Pulse()
    answers: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:
            answers.put((None, error))

    # A daemon does not keep the process from ending, as a pool's thread would.
    threading.Thread(target=run, daemon=True).start()
    while True:
        left = pulse.last + seconds - time.monotonic()
        if left <= 0:
            pulse.awaited = False
            raise TimeoutError(f"no answer within {seconds:g} s")
        with contextlib.suppress(queue.Empty):
            result, error = answers.get(timeout=left)
            break
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _counter(limit: int, report: Report, excess: Exception, pulse: _Pulse) -> type[Any]:
    """A progress bar for the client that shows nothing, counts, and ends what is too long."""
    from huggingface_hub.utils.tqdm import tqdm

    class Counter(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})  # type: ignore[no-untyped-call]
            self.arrived = 0
            # Xet has a second bar, for what goes over the wire.
            self.silent = str(options.get("desc")).endswith("downloading bytes")

        def update(self, n: float | None = 1) -> None:
            pulse.last = time.monotonic()
            if not pulse.awaited:
                raise TimeoutError
            if self.silent:
                return
            self.arrived += int(n or 0)
            if self.arrived > limit:
                raise excess
            report(int(n or 0))

    return Counter
