"""The course of drawings: what `Draw.draw`, `Draw.decode` and `Draw.reconstruct` give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from drawzoo.attention import Window

__all__ = ["Drawing", "join"]


class Drawing(NamedTuple):
    """The course of a batch of drawings."""

    canvases: Tensor
    """c_1 … c_T, [T, B, C, H, W]."""
    images: Tensor
    """The same as pixel probabilities in [0, 1]."""
    reads: list[Window] | None
    """The windows read through at each step; None where nothing is read or there is no window."""
    writes: list[Window] | None
    """The windows written through at each step; None where there is no window."""


def join(drawings: Sequence[Drawing]) -> Drawing:
    """The drawings of several batches as those of one, in the same order and of the same model."""
    return Drawing(
        torch.cat([drawing.canvases for drawing in drawings], dim=1),
        torch.cat([drawing.images for drawing in drawings], dim=1),
        _join_windows([drawing.reads for drawing in drawings]),
        _join_windows([drawing.writes for drawing in drawings]),
    )


def _join_windows(series: Sequence[list[Window] | None]) -> list[Window] | None:
    given = [windows for windows in series if windows is not None]
    return [_concatenate(step) for step in zip(*given, strict=True)] or None


def _concatenate(windows: Sequence[Window]) -> Window:
    """One window for all images of several batches."""
    return Window(
        gx=torch.cat([window.gx for window in windows]),
        gy=torch.cat([window.gy for window in windows]),
        stride=torch.cat([window.stride for window in windows]),
        variance=torch.cat([window.variance for window in windows]),
        intensity=torch.cat([window.intensity for window in windows]),
        size=windows[0].size,
    )
