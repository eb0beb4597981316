"""The settings of this plugin's components. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from drawzoo import Config, Size

__all__ = ["ConvConfig", "DeconvConfig"]


class ConvConfig(Config, frozen=True):
    """Of the encoder of Models I and III."""

    units: Size = 256
    channels: tuple[Size, ...] = (32, 64, 64)
    features: Size = 256


class DeconvConfig(Config, frozen=True):
    """Of the write operation."""

    channels: tuple[Size, ...] = (32, 16)
