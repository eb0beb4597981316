"""Fetching from the Hugging Face Hub, and from nowhere else; every failure is one line.

The connections of `huggingface_hub` are used, not its downloads: a server names no file here, and
data is written only to the file that the caller names. `huggingface_hub` is imported when needed.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from drawzoo.disk.atomic import open_atomic
from drawzoo.errors import DrawzooError, HubError, WeightsError
from drawzoo.schema.base import MAX_JSON_BYTES
from drawzoo.version import __version__

if TYPE_CHECKING:
    from httpx2 import Response

__all__ = [
    "ABOUT",
    "COMMIT",
    "MissingFileError",
    "Report",
    "Session",
    "UnreachableError",
    "one_reason",
    "refusal",
]

DEADLINE = 20.0
"""Seconds that all answers of a session may take together, and one more for every `RATE` bytes."""

RATE = 16_000
"""Bytes a second; a server that stays slower is given up on."""

REDIRECTS = 5

ABOUT: dict[str, Any] = {"library_name": "drawzoo", "library_version": __version__}
"""The user agent of the requests."""

COMMIT = re.compile(r"[0-9a-f]{40}")

Report = Callable[[int, int | None], None]
"""Is told the bytes that have arrived, and the bytes that will arrive in all, if known."""

T = TypeVar("T")


class UnreachableError(HubError):
    """The Hub did not answer, or the answer is of no use."""


class MissingFileError(HubError):
    """The repository has no such file."""


class Session:
    """Requests that belong together, such as the requests for a model's files.

    Arguments:
        report: Is told of the bytes as they arrive.
        token: Whether to send the user's token to the Hub.
        expected: Bytes that will arrive in all, if known.
    """

    def __init__(
        self,
        report: Report = lambda arrived, expected: None,
        *,
        token: bool = False,
        expected: int | None = None,
    ) -> None:
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        self._client = get_session()
        headers = build_hf_headers(token=None if token else False, **ABOUT)
        # A packed answer could be of any length once it is unpacked.
        self._headers = headers | {"accept-encoding": "identity"}
        self._report = report
        self._expected = expected
        self._arrived = 0
        self._begin = time.monotonic()

    def resolve(self, repository: str, revision: str) -> str:
        """The full commit that a branch or tag of a repository means now.

        Raises:
            HubError: If there is no such repository or revision, or no sound answer.
        """
        from huggingface_hub import constants

        url = f"{constants.ENDPOINT}/api/models/{repository}/revision/{quote(revision, safe='')}"
        answer = bytearray()
        response = self._open("GET", f"{url}?expand=sha", repository, repository, revision)
        self._receive(response, f"the Hub's answer for {repository}", MAX_JSON_BYTES, answer.extend)
        try:
            found = json.loads(answer)
        except (ValueError, RecursionError):
            found = None
        commit = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise HubError(f"{repository}: the Hub's answer names no commit; check HF_ENDPOINT")
        return commit

    def size(self, repository: str, commit: str, file: str) -> int | None:
        """The length of a file in bytes, or None if the Hub does not say.

        Raises:
            HubError: If the file is not there, or there is no sound answer.
        """
        response = self._open_file("HEAD", repository, commit, file)
        response.close()
        return _number(response, "x-linked-size") or _number(response, "content-length")

    def fetch(
        self,
        repository: str,
        commit: str,
        file: str,
        path: Path,
        limit: int | Callable[[int | None], int],
    ) -> None:
        """Fetches a file at a full commit. The caller checks the content.

        Arguments:
            repository: user/name.
            commit: 40 hexadecimal digits, so that all files are of the same commit.
            file: The file's name in the repository.
            path: Where to write the file.
            limit: The most bytes that the file may have, or a function of the announced length
                (None without one) that returns the most.

        Raises:
            MissingFileError: If the file is not there.
            HubError: If the file cannot be fetched.
            WeightsError: If the file is longer than the limit.
            OutputError: If the file cannot be written.
        """
        what = f"{file} of {repository}"
        before = self._arrived
        for last in (False, True):
            response = self._open_file("GET", repository, commit, file)
            try:
                announced = _number(response, "content-length")
                most = limit if isinstance(limit, int) else limit(announced)
                if (announced or 0) > most:
                    raise _too_long(what, most)
                if self._expected is None and announced:
                    self._expected = before + announced
                with open_atomic(path) as target:
                    self._receive(response, what, most, target.write)
                return
            except UnreachableError:
                # Connections break; only a download that has begun is tried again.
                if last or self._left() <= 0:
                    raise
                self._arrived = before
            except BaseException:
                response.close()
                raise

    def _open_file(self, method: str, repository: str, commit: str, file: str) -> Response:
        from huggingface_hub import constants

        url = f"{constants.ENDPOINT}/{repository}/resolve/{commit}/{file}"
        return self._open(method, url, f"{file} of {repository}", repository, commit)

    def _open(self, method: str, url: str, what: str, repository: str, revision: str) -> Response:
        """The answer to a request, checked for status and commit; the body is unread."""
        from huggingface_hub import constants

        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT

        def send() -> Response:
            response = self._client.send(request, stream=True, follow_redirects=False)
            if self._left() <= 0:
                response.close()
            return response

        try:
            request = self._client.build_request(
                method, url, headers=self._headers, timeout=timeout
            )
        except Exception as error:
            raise self._unreachable(what, error) from error
        for _ in range(REDIRECTS):
            try:
                response = self._in_time(send)
            except Exception as error:
                raise self._unreachable(what, error) from error
            told = response.headers.get("x-repo-commit", revision)
            following = response.next_request
            linked = method == "HEAD" and "x-linked-size" in response.headers
            if following is not None or response.status_code != 200:
                response.close()
            if COMMIT.fullmatch(revision) and told != revision:
                response.close()
                raise HubError(
                    f"{repository}: asked for commit {revision}, the Hub answered with "
                    f"{told[:40]}; check HF_ENDPOINT"
                )
            if following is None or linked:
                break
            # Never from https to http, or to another scheme.
            if following.url.scheme not in ("https", request.url.scheme):
                raise HubError(f"{what}: the Hub points to {following.url}, which is not followed")
            request = following
        else:
            raise HubError(f"{what}: the Hub points from place to place; check HF_ENDPOINT")
        if response.status_code != 200 and not linked:
            code = response.headers.get("x-error-code")
            raise refusal(response.status_code, code, what, repository, revision)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise HubError(f"{what}: the Hub sends it packed, unasked; check HF_ENDPOINT")
        return response

    def _receive(
        self, response: Response, what: str, limit: int, write: Callable[[bytes], Any]
    ) -> None:
        """Hands the body of an answer to `write`, piece by piece, and closes it."""

        def receive() -> None:
            count = 0
            try:
                for piece in response.iter_raw():
                    if self._left() <= 0:
                        raise TimeoutError
                    count += len(piece)
                    if count > limit:
                        raise _too_long(what, limit)
                    write(piece)
                    self._arrived += len(piece)
                    self._report(self._arrived, self._expected)
            finally:
                response.close()

        try:
            self._in_time(receive)
        except DrawzooError:
            raise
        except OSError as error:
            # The client raises no OSError: this error is the file's, or the time is over.
            if not isinstance(error, TimeoutError):
                raise
            raise self._unreachable(what, error) from error
        except Exception as error:
            raise self._unreachable(what, error) from error

    def _left(self) -> float:
        return self._begin + DEADLINE + self._arrived / RATE - time.monotonic()

    def _in_time(self, call: Callable[[], T]) -> T:
        """The result of `call`, or `TimeoutError` once the session's time is over.

        `call` runs in a thread: no time limit of the client holds for looking up a name, for trying
        addresses one after the other, or for headers that come byte by byte. An abandoned call
        ends with the next piece that arrives, or with the process.
        """
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        while not future.done():
            if (left := self._left()) <= 0:
                raise TimeoutError
            wait([future], left)
        return future.result()

    def _unreachable(self, what: str, error: Exception) -> UnreachableError:
        from huggingface_hub.errors import OfflineModeIsEnabled

        if isinstance(error, OfflineModeIsEnabled):
            return UnreachableError(
                f"{what} is not in the cache, and HF_HUB_OFFLINE is set; unset it"
            )
        reason = one_reason(error)
        if self._left() <= 0:
            seconds = time.monotonic() - self._begin
            reason = f"too slow: {self._arrived:,} bytes in {seconds:.0f} s"
        return UnreachableError(f"{what}: the Hub cannot be reached ({reason}); try again later")


def refusal(
    status: int, code: str | None, what: str, repository: str, revision: str
) -> DrawzooError:
    """The error for a status that is not 200, and for the Hub's own word for it, `code`."""
    if code == "EntryNotFound":
        return MissingFileError(f"{what} is not there at {revision}; a model has it")
    if code == "RevisionNotFound":
        return HubError(f"{repository} has no revision {revision}; see its page on the Hub")
    if status >= 500:
        return UnreachableError(
            f"{what}: the Hub is not available (HTTP {status}); try again later"
        )
    # The Hub answers 401 for repositories that do not exist.
    reasons = {
        401: "the Hub has no such public repository, or wants a valid token (hf auth login)",
        403: "the Hub forbids it; see the repository's page for who may",
        404: "the Hub has no such repository",
        412: "somebody else changed the repository at the same time; try again",
        429: "the Hub is asked too often from here; wait some minutes and try again",
    }
    return HubError(f"{what}: {reasons.get(status, f'the Hub refuses (HTTP {status})')}")


def one_reason(error: BaseException) -> str:
    """An error in at most 200 characters."""
    text = " ".join(str(error).split())
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:200]


def _too_long(what: str, limit: int) -> WeightsError:
    return WeightsError(
        f"{what} is longer than the {limit:,} bytes it may have; it is no file of this model"
    )


def _number(response: Response, header: str) -> int | None:
    text = response.headers.get(header, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
