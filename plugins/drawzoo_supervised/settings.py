"""The settings of this plugin's encoder. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from drawzoo_conv.settings import Activation

from drawzoo import Config, Size

__all__ = ["SupervisedConfig"]


class SupervisedConfig(Config, frozen=True):
    """Of the encoder of Model II.

    Attributes:
        units: Units of the LSTM.
        channels: Maps of each convolution, each of which halves height and width.
        features: Units of the last hidden layer of the classifier.
        classes: Classes of the labels.
        weight: Of the cross-entropy beside the bound, both in nats.
        activation: After each convolution and the hidden layer, as in the encoder `conv`.
    """

    units: Size = 256
    channels: tuple[Size, ...] = (16, 64, 64)
    features: Size = 128
    classes: Size = 10
    weight: float = 2.0
    activation: Activation = "relu"
