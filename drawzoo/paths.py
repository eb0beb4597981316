"""Where things lie on the user's disk. Free of torch."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_root", "data_root", "hub_cache"]


def cache_root() -> Path:
    """`DRAWZOO_CACHE`, else `drawzoo` in the user's cache folder (XDG)."""
    if chosen := os.environ.get("DRAWZOO_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "drawzoo"


def data_root(option: Path | None = None) -> Path:
    """Where datasets lie: the option, else `DRAWZOO_DATA`, else `data` in the cache."""
    chosen = option or os.environ.get("DRAWZOO_DATA")
    return Path(chosen).expanduser() if chosen else cache_root() / "data"


def hub_cache() -> Path:
    """The Hub's cache, as its client finds it: `HF_HUB_CACHE`, else `hub` in `HF_HOME`."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(os.path.expandvars(chosen)).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.path.expandvars(home)).expanduser() / "hub"
