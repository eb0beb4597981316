"""The paper's encoder."""

from __future__ import annotations

from torch import Tensor

import drawzoo
from drawzoo_draw.settings import LSTMConfig

__all__ = ["LSTMEncoder"]


class LSTMEncoder(drawzoo.Encoder):
    """An LSTM fed with the glimpse and the decoder's previous output, eq. 5."""

    Config = LSTMConfig

    def __init__(self, config: LSTMConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.lstm = drawzoo.LSTM(sizes.glimpse + sizes.decoder, config.units)

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return self.lstm.initial_state(batch)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Tensor | None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        h, c = self.lstm((state[0], state[1]), glimpse, h_dec)
        return h, (h, c)
