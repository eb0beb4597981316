"""An encoder that is not privy to the decoder's output."""

from __future__ import annotations

from drawzoo_draw.settings import LSTMConfig
from torch import Tensor

import drawzoo

__all__ = ["PrivateEncoder"]


class PrivateEncoder(drawzoo.Encoder):
    """An LSTM fed with the glimpse alone: eq. 5 without h_dec.

    Where the glimpse is taken is still the decoder's to say (eq. 21), and what has been drawn is
    still in the error image: only the direct way from h_dec is cut.
    """

    Config = LSTMConfig

    def __init__(self, config: LSTMConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.lstm = drawzoo.LSTM(sizes.glimpse, config.units)

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return self.lstm.initial_state(batch)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Tensor | None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        h, c = self.lstm((state[0], state[1]), glimpse)
        return h, (h, c)
