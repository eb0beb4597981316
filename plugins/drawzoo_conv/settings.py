"""The settings of this plugin's components. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from typing import Literal

from drawzoo import Config, Size

__all__ = ["Activation", "ConvConfig", "DeconvConfig"]

Activation = Literal["relu", "silu"]
"""Of an output x: the maximum of x and 0, or x sigmoid(x), which has a gradient below 0 too."""


class ConvConfig(Config, frozen=True):
    """Of the encoder of Models I and III.

    Attributes:
        units: Units of the LSTM.
        channels: Maps of each convolution, each of which halves height and width.
        features: Features of the image, after the convolutions.
        activation: After each convolution and on the features. Many units of `relu` die in a long
            training; `silu` has a gradient on both sides.
    """

    units: Size = 256
    channels: tuple[Size, ...] = (32, 64, 64)
    features: Size = 256
    activation: Activation = "relu"


class DeconvConfig(Config, frozen=True):
    """Of a write by transposed convolutions.

    Attributes:
        channels: Maps before each transposed convolution, which doubles height and width; the last
            one gives the image's channels.
    """

    channels: tuple[Size, ...] = (32, 16)
