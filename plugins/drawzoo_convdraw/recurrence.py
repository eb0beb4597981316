"""The encoder and the decoder: convolutional LSTMs, one above the other.

h, c and h_enc or h_dec have the units of all layers one below the other. The encoder goes
bottom-up, from the glimpse; the decoder goes top-down, towards the canvas.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

import drawzoo
from drawzoo_convdraw.blocks import ConvLSTM, Shrink, maps_of, split
from drawzoo_convdraw.settings import DecoderConfig, EncoderConfig

__all__ = ["ConvLSTMDecoder", "ConvLSTMEncoder"]


class ConvLSTMEncoder(drawzoo.Encoder):
    """A layer is fed with the layer below, the lowest with the glimpse, and a part of h_dec."""

    Config = EncoderConfig

    def __init__(self, config: EncoderConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        glimpse, *place = maps_of(sizes.glimpse_shape, "glimpses")
        decoder = maps_of(sizes.decoder_shape, "h_dec")[0]
        self.out_shape = (config.layers * config.units, *place)
        below = [glimpse] + [config.units] * (config.layers - 1)
        self.layers = nn.ModuleList(
            ConvLSTM(inputs + part, config.units)
            for inputs, part in zip(below, split(decoder, config.layers), strict=True)
        )

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return _initial(self.layers, batch, self.out_shape)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        h, c = (list(part.chunk(len(self.layers), dim=1)) for part in state)
        parts = h_dec.tensor_split(len(self.layers), dim=1)
        below = glimpse
        for i, layer in enumerate(self.layers):
            h[i], c[i] = layer(h[i], c[i], below, parts[i])
            below = h[i]
        h_enc = torch.cat(h, dim=1)
        return h_enc, (h_enc, torch.cat(c, dim=1))


class ConvLSTMDecoder(drawzoo.Decoder):
    """Layer l is fed with its code and the layer above; the lowest sees the canvas too."""

    Config = DecoderConfig

    def __init__(self, config: DecoderConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        latent, height, width = maps_of(sizes.latent_shape, "codes")
        self.out_shape = (config.layers * config.units, height, width)
        self.look = Shrink(sizes.canvas, (config.look, height, width))
        above = [config.units] * (config.layers - 1) + [0]
        above[0] += config.look
        self.layers = nn.ModuleList(
            ConvLSTM(inputs + part, config.units)
            for inputs, part in zip(above, split(latent, config.layers), strict=True)
        )

    def initial_state(self, batch: int) -> drawzoo.DecoderState:
        return _initial(self.layers, batch, self.out_shape)

    def forward(
        self, z: Tensor, state: drawzoo.DecoderState, canvas: Tensor
    ) -> tuple[Tensor, drawzoo.DecoderState]:
        h, c = (list(part.chunk(len(self.layers), dim=1)) for part in state)
        codes = z.tensor_split(len(self.layers), dim=1)
        for i in reversed(range(len(self.layers))):
            others = h[i + 1 : i + 2]
            if i == 0:
                others = [self.look(canvas), *others]
            h[i], c[i] = self.layers[i](h[i], c[i], codes[i], *others)
        h_dec = torch.cat(h, dim=1)
        return h_dec, (h_dec, torch.cat(c, dim=1))


def _initial(layers: nn.ModuleList, batch: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    _, height, width = shape
    states = [cast(ConvLSTM, layer).initial_state(batch, height, width) for layer in layers]
    h, c = (torch.cat(part, dim=1) for part in zip(*states, strict=True))
    return h, c
