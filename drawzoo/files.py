"""Files that are written whole or not at all, and folders that one process at a time writes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from drawzoo.errors import OutputError

__all__ = ["check_writable", "locked", "open_atomic", "write_atomic"]


@contextlib.contextmanager
def open_atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` once it is complete and on the disk.

    A device or pipe, such as /dev/null, is written to and stays what it is.

    Raises:
        OutputError: If it cannot be written; `path` is then as it was.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                yield file
            return
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _failed(path, error) from error
    try:
        # mkstemp makes private files; these are as open as any other.
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(descriptor, 0o666 & ~umask)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        if isinstance(error, OSError):
            raise _failed(path, error) from error
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, or raises `OutputError` and leaves what was there."""
    with open_atomic(path) as file:
        file.write(data)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes that ask for it out of a folder; the system lets go if this one dies.

    The empty file `.lock` stays behind.

    Raises:
        OutputError: If another process has it, or it cannot be written.
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
        yield
    finally:
        lock.release()


def check_writable(path: Path) -> None:
    """Raises `OutputError` at once if a file `path` could not be written, before any work."""
    try:
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> OutputError:
    if not path.parent.is_dir():
        return OutputError(f"cannot write {path}: there is no folder {path.parent}; create it")
    return OutputError(
        f"cannot write {path}: {error.strerror or error}; nothing was changed, "
        "choose another place or make room and try again"
    )
