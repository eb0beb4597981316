"""Where a model looks and where it draws, step by step."""

from __future__ import annotations

from typing import NamedTuple

from drawzoo import ConfigError, Drawing, Window

__all__ = ["Look", "check_windows", "path"]


class Look(NamedTuple):
    """One window of one image, in pixels numbered from 1 as in the paper."""

    gx: float
    gy: float
    stride: float
    sigma: float
    intensity: float
    size: int
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of its grid of filters and one σ beyond, counted from 0."""


def path(windows: list[Window], index: int) -> list[Look]:
    """The windows of image `index` of a drawing, in the order of the steps."""
    return [
        Look(
            gx=float(w.gx[index]),
            gy=float(w.gy[index]),
            stride=float(w.stride[index]),
            sigma=float(w.variance[index]) ** 0.5,
            intensity=float(w.intensity[index]),
            size=w.size,
            box=w.box(index),
        )
        for w in windows
    ]


def check_windows(name: str, drawing: Drawing) -> None:
    """Raises `ConfigError` if a model neither reads nor writes through windows."""
    if drawing.reads is None and drawing.writes is None:
        raise ConfigError(
            f"{name} has no attention to show: it neither reads nor writes through windows"
        )
