"""A GRU for a decoder."""

from __future__ import annotations

import torch
from torch import Tensor

import drawzoo
from drawzoo_gated.cell import GRU
from drawzoo_gated.settings import GatedConfig

__all__ = ["GatedDecoder"]


class GatedDecoder(drawzoo.Decoder):
    """A GRU fed with the code, for the LSTM of eq. 7."""

    Config = GatedConfig
    closed = True

    def __init__(self, config: GatedConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.gru = GRU(sizes.latent, config.units)

    def initial_state(self, batch: int) -> drawzoo.DecoderState:
        return (self.gru.initial_state(batch),)

    def forward(
        self, z: Tensor, state: drawzoo.DecoderState, canvas: Tensor
    ) -> tuple[Tensor, drawzoo.DecoderState]:
        h = self.gru(state[0], self.gru.drive(z))
        return h, (h,)

    def unroll(
        self, z: Tensor, state: drawzoo.DecoderState, canvas: Tensor
    ) -> tuple[Tensor, drawzoo.DecoderState]:
        (h,), steps = state, []
        for drive in self.gru.drive(z):  # The inputs' products of all steps are one.
            h = self.gru(h, drive)
            steps.append(h)
        return torch.stack(steps, dim=1), (h,)
