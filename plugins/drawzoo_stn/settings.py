"""The settings of this plugin's reader. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from drawzoo import Config, Size

__all__ = ["CropConfig"]


class CropConfig(Config, frozen=True):
    """Of a read through a spatial transformer.

    Attributes:
        size: N, the samples along each side.
    """

    size: Size = 5
