"""The settings of this plugin's components. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from drawzoo import Config, Size

__all__ = ["AttentionConfig", "GaussianConfig", "LSTMConfig"]


class AttentionConfig(Config, frozen=True):
    """Of a read or a write through a window.

    Attributes:
        size: N, the filters along each side.
    """

    size: Size = 5


class LSTMConfig(Config, frozen=True):
    """Of an encoder or a decoder that is an LSTM.

    Attributes:
        units: Units of the LSTM.
    """

    units: Size = 256


class GaussianConfig(Config, frozen=True):
    """Of a latent code.

    Attributes:
        size: The number of dimensions.
    """

    size: Size = 32
