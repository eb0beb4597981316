"""Files that are read only if regular, and written whole or not at all; folders that one process
at a time writes.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from drawzoo.errors import DataError, OutputError

__all__ = [
    "check_readable",
    "check_regular",
    "check_writable",
    "locked",
    "make_folder",
    "no_empty_folder",
    "open_atomic",
    "open_regular",
    "sweep",
    "waiting_lock",
    "write_atomic",
]

PART = ".part"
"""The ending of the names of incomplete files."""

_BINARY = getattr(os, "O_BINARY", 0)  # Windows would change line ends

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_regular(path: Path) -> os.stat_result:
    """The system's status of a file, before the file is opened to be read.

    Opening a pipe waits until somebody writes to the pipe, and a device may have no end.

    Raises:
        OSError: If there is no regular file.
    """
    try:
        about = path.stat()
    except ValueError:
        raise OSError(errno.EINVAL, "a name cannot hold NUL", str(path)) from None
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, f"it is {_kind(about)}, not a regular file", str(path))
    return about


def open_regular(path: Path) -> io.BufferedReader:
    """Opens a regular file to read it.

    Raises:
        OSError: If there is no regular file, or the file cannot be opened.
    """
    check_regular(path)
    return path.open("rb")


def _kind(about: os.stat_result) -> str:
    return next((kind for test, kind in _KINDS if test(about.st_mode)), "something else")


@contextlib.contextmanager
def open_atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which replaces `path` once the file is complete and on the disk.

    A character device, such as /dev/null, is written to directly.

    Raises:
        OutputError: If the file cannot be written; `path` is then as it was.
    """
    try:
        _check_target(path)
        if path.is_char_device():
            with path.open("wb") as file:
                yield file
            return
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{PART}")
        # Unlike mkstemp's private files, the file has the permissions that the umask allows.
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o666)
    except OSError as error:
        raise _failed(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _failed(path, error) from error
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, or raises `OutputError` and leaves `path` as it was."""
    with open_atomic(path) as file:
        file.write(data)


def sweep(folder: Path) -> None:
    """Removes incomplete files of killed processes; no process may be writing to the folder."""
    for left in folder.glob(f".*.{'[0-9a-f]' * 12}{PART}"):
        with contextlib.suppress(OSError):
            left.unlink()


def make_folder(folder: Path) -> None:
    """Makes a folder, and those around it, unless it is there.

    Raises:
        OutputError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder}: {error.strerror}; choose another"
        ) from error


@contextlib.contextmanager
def no_empty_folder(folder: Path) -> Iterator[None]:
    """After an error, removes a folder that was made inside and holds nothing but a lock."""
    new = not folder.exists()
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if new:
                if [path.name for path in folder.iterdir()] == [".lock"]:
                    (folder / ".lock").unlink()
                folder.rmdir()
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder against other processes that lock; the lock ends with this process.

    Incomplete files that a killed process left in the folder are removed. The empty file `.lock`
    stays behind.

    Raises:
        OutputError: If another process has the folder, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"another process is writing to {folder}; wait for it, or choose another folder"
        ) from None
    except OSError as error:
        raise _failed(folder / ".lock", error) from error
    except NotImplementedError:
        raise OutputError(
            f"{folder} is on a file system that knows no locks; choose another folder"
        ) from None
    try:
        sweep(folder)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Lets one process at a time change a file; other processes wait for a minute at most.

    Raises:
        OutputError: If another process keeps the lock, or the lock cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=60):
            yield
    except Timeout:
        raise OutputError(f"another process is changing {path}; try again") from None
    except OSError as error:
        raise _failed(path, error) from error


def check_writable(path: Path) -> None:
    """Raises `OutputError` at once if a file `path` could not be written, before any work."""
    try:
        _check_target(path)
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _failed(path, error) from error


def check_readable(path: Path) -> None:
    """Raises `DataError` at once if `path` is no file that can be read, before any work."""
    try:
        open_regular(path).close()
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; check its name") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; name a file") from None


def _check_target(path: Path) -> None:
    """Refuses to replace a link, whose target the user means, or a file that cannot be atomic."""
    if "\0" in str(path):
        raise OutputError(f"cannot write {str(path)!r}: a name cannot hold NUL; choose another")
    if path.is_symlink():
        raise OutputError(f"cannot write {path}: it is a link; name the file itself")
    if path.exists() and not (path.is_file() or path.is_dir() or path.is_char_device()):
        raise OutputError(f"cannot write {path}: it is {_kind(path.stat())}; name a file")


def _failed(path: Path, error: OSError) -> OutputError:
    if not path.parent.is_dir():
        return OutputError(f"cannot write {path}: there is no folder {path.parent}; create it")
    return OutputError(
        f"cannot write {path}: {error.strerror or error}; nothing was changed, "
        "choose another place or make room and try again"
    )
