"""The settings of this plugin's components. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from typing import Annotated

import msgspec

from drawzoo import Config, Size

__all__ = ["DecoderConfig", "EncoderConfig", "LatentConfig", "Layers", "ReaderConfig"]

Layers = Annotated[int, msgspec.Meta(ge=1, le=16)]
"""A number of convolutional LSTMs, each with codes of its own."""


class ReaderConfig(Config, frozen=True):
    """Of the read operation.

    Attributes:
        maps: Maps of a glimpse.
    """

    maps: Size = 32


class LatentConfig(Config, frozen=True):
    """Of the codes.

    Attributes:
        maps: The maps of one layer's code.
        stride: One place on a map is for at most so many pixels of an image along each side. All
            maps of the model have this resolution.
        layers: As many as encoder and decoder have.
    """

    maps: Size = 8
    stride: Size = 4
    layers: Layers = 1


class EncoderConfig(Config, frozen=True):
    """Of the encoder.

    Attributes:
        units: Units of each layer at each place.
        layers: Convolutional LSTMs, each with codes of its own.
    """

    units: Size = 32
    layers: Layers = 1


class DecoderConfig(Config, frozen=True):
    """Of the decoder.

    Attributes:
        units: Units of each layer at each place.
        layers: Convolutional LSTMs, each with codes of its own.
        look: Maps of the decoder's look at the canvas.
    """

    units: Size = 32
    layers: Layers = 1
    look: Size = 16
