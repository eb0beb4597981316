"""Write operations: through the attention window, and to the whole canvas."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import linear

import drawzoo
from drawzoo import WindowNet, write_patch
from drawzoo_draw.settings import AttentionConfig

__all__ = ["AttentiveWriter", "WholeWriter"]


class AttentiveWriter(drawzoo.Writer):
    """Writes an N × N patch to the canvas through a window, eq. 28 and 29."""

    Config = AttentionConfig

    def __init__(self, config: AttentionConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        channels, self.height, self.width = sizes.canvas
        self.window = WindowNet(sizes.decoder, config.size, self.height, self.width)
        self.patch = nn.Linear(sizes.decoder, channels * config.size**2)
        self.shape = (channels, config.size, config.size)

    def forward(self, h_dec: Tensor) -> tuple[Tensor, drawzoo.Window]:
        window = self.window(h_dec)
        patch = self.patch(h_dec).unflatten(1, self.shape)
        return write_patch(patch, window, self.height, self.width), window

    def total(self, h_dec: Tensor) -> Tensor:
        steps, h_dec = h_dec.shape[1], h_dec.flatten(0, 1)
        patch = self.patch(h_dec).unflatten(1, self.shape)
        return write_patch(patch, self.window(h_dec), self.height, self.width, steps=steps)


class WholeWriter(drawzoo.Writer):
    """Writes to the whole canvas by a linear map, eq. 18."""

    def __init__(self, config: drawzoo.Config, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.shape = sizes.canvas
        self.canvas = nn.Linear(sizes.decoder, math.prod(sizes.canvas))

    def forward(self, h_dec: Tensor) -> tuple[Tensor, None]:
        return self.canvas(h_dec).unflatten(1, self.shape), None

    def total(self, h_dec: Tensor) -> Tensor:
        bias = h_dec.shape[1] * self.canvas.bias
        return linear(h_dec.sum(dim=1), self.canvas.weight, bias).view(-1, *self.shape)
