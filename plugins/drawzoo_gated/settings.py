"""The settings of this plugin's components. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from drawzoo import Config, Size

__all__ = ["GatedConfig"]


class GatedConfig(Config, frozen=True):
    """Of an encoder or a decoder that is a GRU.

    Attributes:
        units: Units of the GRU.
    """

    units: Size = 256
