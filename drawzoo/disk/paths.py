"""Places on the user's disk. Free of torch."""

from __future__ import annotations

import os
from pathlib import Path

from drawzoo.errors import ConfigError

__all__ = ["cache_root", "data_root", "expanded", "hub_cache", "own_images"]

FOLDER = "folder:"


def expanded(text: str | Path) -> Path:
    """A path with `~` or `~user` replaced by the user's home.

    Raises:
        ConfigError: If there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{text}: there is no such user here, or the user has no home; write the path in full"
        ) from None


def cache_root() -> Path:
    """`DRAWZOO_CACHE`, else `drawzoo` in the user's cache folder (XDG)."""
    if chosen := os.environ.get("DRAWZOO_CACHE"):
        return expanded(chosen)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "drawzoo"


def data_root(option: Path | None = None) -> Path:
    """Where datasets lie: the option, else `DRAWZOO_DATA`, else `data` in the cache.

    `folder:PATH` means PATH (see `own_images`).
    """
    chosen = option or os.environ.get("DRAWZOO_DATA")
    if not chosen:
        return cache_root() / "data"
    return expanded(str(chosen).removeprefix(FOLDER))


def own_images(option: Path | None) -> bool:
    """Whether `--data` is `folder:PATH`, a folder of the user's images: the dataset `folder`."""
    return str(option).startswith(FOLDER)


def hub_cache() -> Path:
    """The Hub's cache, as its client finds it: `HF_HUB_CACHE`, else `hub` in `HF_HOME`."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return expanded(os.path.expandvars(chosen))
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return expanded(os.path.expandvars(home)) / "hub"
