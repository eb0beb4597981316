"""The paper's encoder."""

from __future__ import annotations

from torch import Tensor

from drawzoo.components import Encoder, EncoderState, Sizes
from drawzoo.config import Config, Size
from drawzoo.recurrent import LSTM

__all__ = ["LSTMEncoder"]


class LSTMEncoder(Encoder):
    """An LSTM fed with the glimpse and the decoder's previous output, eq. 5."""

    class Config(Config):
        units: Size = 256

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.lstm = LSTM(sizes.glimpse + sizes.decoder, config.units)

    def initial_state(self, batch: int) -> EncoderState:
        return self.lstm.initial_state(batch)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: EncoderState, context: Tensor | None
    ) -> tuple[Tensor, EncoderState]:
        h, c = self.lstm((state[0], state[1]), glimpse, h_dec)
        return h, (h, c)
