"""The paper's decoder."""

from __future__ import annotations

from torch import Tensor

import drawzoo
from drawzoo_draw.settings import LSTMConfig

__all__ = ["LSTMDecoder"]


class LSTMDecoder(drawzoo.Decoder):
    """An LSTM fed with the code, eq. 7."""

    Config = LSTMConfig
    closed = True

    def __init__(self, config: LSTMConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.lstm = drawzoo.LSTM(sizes.latent, config.units)

    def initial_state(self, batch: int) -> drawzoo.DecoderState:
        return self.lstm.initial_state(batch)

    def forward(
        self, z: Tensor, state: drawzoo.DecoderState, canvas: Tensor
    ) -> tuple[Tensor, drawzoo.DecoderState]:
        h, c = self.lstm((state[0], state[1]), z)
        return h, (h, c)

    def unroll(
        self, z: Tensor, state: drawzoo.DecoderState, canvas: Tensor
    ) -> tuple[Tensor, drawzoo.DecoderState]:
        return self.lstm.unroll((state[0], state[1]), z)
