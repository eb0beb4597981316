"""The encoder itself, in a module of its own: it is imported when a model needs it."""

import torch
from torch import nn

import drawzoo


class GRUEncoder(drawzoo.Encoder):
    """A GRU fed with the glimpse and the decoder's previous output."""

    class Config(drawzoo.Config, frozen=True):
        units: drawzoo.Size = 256

    def __init__(self, config, sizes):
        super().__init__()
        self.out_features = config.units
        self.cell = nn.GRUCell(sizes.glimpse + sizes.decoder, config.units)
        self.initial = nn.Parameter(torch.zeros(config.units))

    def initial_state(self, batch):
        return (self.initial.expand(batch, -1),)

    def forward(self, glimpse, h_dec, state, context):
        h = self.cell(torch.cat([glimpse, h_dec], dim=1), state[0])
        return h, (h,)
