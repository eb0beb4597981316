"""The convolutional encoder of Models I and III.

References:
    | Generative Image Models, DRAW (N. Modhe and V. Jain, IIT Kanpur, 2016)
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

import drawzoo
from drawzoo_conv.blocks import ConvFeatures
from drawzoo_conv.settings import ConvConfig

__all__ = ["ConvEncoder"]


class ConvEncoder(drawzoo.Encoder):
    """An LSTM fed with CNN features of the image, the glimpse and the decoder's previous output.

    With a reader it is the encoder of Model I, "encoder reads both the input image and cnn
    features as input at each time step"; without one (the reader `none`) it is the encoder of Model
    III, "encoder is fed only the cnn features of the input image". The image does not change
    from step to step, so its features, and their share of the LSTM's gates, are computed once. As
    in DRAW, the encoder is privy to the decoder's previous output.
    """

    Config = ConvConfig
    matrix_blocks: ClassVar[dict[str, int]] = {"drive.weight": 4}

    def __init__(self, config: ConvConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.cnn = ConvFeatures(sizes.image, config.channels, config.features, config.activation)
        self.drive = nn.Linear(config.features, 4 * config.units, bias=False)
        self.lstm = drawzoo.LSTM(sizes.glimpse + sizes.decoder, config.units)

    def prepare(self, x: Tensor) -> Tensor:
        drive: Tensor = self.drive(self.cnn(x))
        return drive

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return self.lstm.initial_state(batch)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Tensor | None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        h, c = self.lstm((state[0], state[1]), glimpse, h_dec, drive=context)
        return h, (h, c)
