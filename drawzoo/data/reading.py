"""Files of datasets: fetched where they are missing, and refused unread where they are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from drawzoo.disk.atomic import check_regular
from drawzoo.errors import DataError

__all__ = ["check_file", "fetch", "watched"]

T = TypeVar("T")


def check_file(name: str, path: Path, largest: int) -> None:
    """Refuses, unread, what is no file or larger than the right one can be.

    Raises:
        DataError: If it is; a file that is missing passes.
    """
    try:
        size = check_regular(path).st_size
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise DataError(
            f"{name}: {path} cannot be there, as a part of that is a file; name a folder with "
            "--data or DRAWZOO_DATA"
        ) from None
    except OSError as error:
        raise DataError(
            f"{name}: cannot read {path}: {error.strerror}; delete it and try again"
        ) from None
    if size > largest:
        raise DataError(
            f"{name}: {path} is damaged ({size:,} bytes, at most {largest:,} are right); "
            "delete it and try again"
        )


def fetch(name: str, path: Path, url: str, md5: str, *, download: bool) -> None:
    """Downloads a file that is missing; it is there only if its MD5 is right.

    Raises:
        DataError: If it is missing and cannot be had.
    """
    if path.exists():
        return
    reason = "downloads are off"
    if download:
        from torchvision.datasets.utils import download_url

        try:
            download_url(url, path.parent, path.name, md5)
            return
        except Exception as error:
            # urllib and torchvision raise OSError, ValueError, RuntimeError and HTTPException.
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            path.unlink(missing_ok=True)
    raise DataError(
        f"{name}: {path} is missing and cannot be had ({reason}); fetch {url} by hand, or name "
        f"the folder that holds {path.parent.name}/ with --data or DRAWZOO_DATA"
    )


def watched(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    terminal = Console(stderr=True)
    return track(items, what, console=terminal, transient=True, disable=not terminal.is_terminal)
