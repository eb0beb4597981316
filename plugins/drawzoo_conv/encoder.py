"""Model III: an encoder that is fed convolutional features of the image, and never a glimpse.

References:
    | Generative Image Models, DRAW (N. Modhe and V. Jain, IIT Kanpur, 2016): "encoder is fed only
    | the cnn features of the input image"
"""

from __future__ import annotations

import torch
from torch import Tensor

import drawzoo
from drawzoo_conv.blocks import ConvFeatures

__all__ = ["ConvEncoder"]


class ConvEncoder(drawzoo.Encoder):
    """An LSTM fed with CNN features of the image and the decoder's previous output.

    The features take the place of the read: they are computed once an image, and the same ones
    are given at every step. As in DRAW, the encoder stays privy to the decoder's output.
    """

    class Config(drawzoo.Config, frozen=True):
        units: drawzoo.Size = 256
        channels: tuple[drawzoo.Size, ...] = (32, 64, 64)
        features: drawzoo.Size = 256

    def __init__(self, config: Config, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.cnn = ConvFeatures(sizes.image, config.channels, config.features)
        self.lstm = drawzoo.LSTM(config.features + sizes.glimpse + sizes.decoder, config.units)

    def prepare(self, x: Tensor) -> Tensor:
        features: Tensor = self.cnn(x)
        return features

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return self.lstm.initial_state(batch)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Tensor | None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        assert context is not None
        h, c = self.lstm((state[0], state[1]), torch.cat([context, glimpse], dim=1), h_dec)
        return h, (h, c)
