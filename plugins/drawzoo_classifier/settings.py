"""The settings of this plugin's components. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from typing import Annotated

import msgspec

from drawzoo import Config, Size

__all__ = ["ConvolutionsConfig", "GlimpsesConfig", "SquaresConfig"]


class GlimpsesConfig(Config, frozen=True):
    """Of the classifier that looks through a window.

    Attributes:
        glimpses: Looks at an image.
        size: N, the filters along each side of the window.
        units: Of the LSTM.
        classes: K.
    """

    glimpses: Size = 8
    size: Size = 12
    units: Size = 256
    classes: Size = 10


class ConvolutionsConfig(Config, frozen=True):
    """Of the plain classifier.

    Attributes:
        channels: Maps of each convolution, 5 × 5 with a stride of 2.
        features: Hidden units.
        classes: K.
    """

    channels: tuple[Size, ...] = (8, 16)
    features: Size = 176
    classes: Size = 10


class SquaresConfig(Config, frozen=True):
    """Of the squared error.

    Attributes:
        weight: Its weight in the loss.
    """

    weight: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-4
