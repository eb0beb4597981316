"""A GRU for an encoder."""

from __future__ import annotations

import torch
from torch import Tensor

import drawzoo
from drawzoo_gated.cell import GRU
from drawzoo_gated.settings import GatedConfig

__all__ = ["GatedEncoder"]


class GatedEncoder(drawzoo.Encoder):
    """A GRU fed with the glimpse and the decoder's previous output, for the LSTM of eq. 5."""

    Config = GatedConfig

    def __init__(self, config: GatedConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.gru = GRU(sizes.glimpse + sizes.decoder, config.units)

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return (self.gru.initial_state(batch),)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Tensor | None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        h = self.gru(state[0], self.gru.drive(torch.cat([glimpse, h_dec], dim=1)))
        return h, (h,)
