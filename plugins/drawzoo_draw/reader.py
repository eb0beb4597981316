"""Read operations: through the attention window, of the whole image, and none at all."""

from __future__ import annotations

import torch
from torch import Tensor

import drawzoo
from drawzoo import WindowNet, read_patch
from drawzoo_draw.settings import AttentionConfig

__all__ = ["AttentiveReader", "NoReader", "WholeReader"]


class AttentiveReader(drawzoo.Reader):
    """Reads an N × N patch of x and of the error image through one window, eq. 27."""

    Config = AttentionConfig

    def __init__(self, config: AttentionConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        channels, height, width = sizes.image
        self.window = WindowNet(sizes.decoder, config.size, height, width)
        self.out_features = 2 * channels * config.size**2

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, drawzoo.Window]:
        window = self.window(h_dec)
        return read_patch(torch.cat([x, error], dim=1), window).flatten(1), window


class WholeReader(drawzoo.Reader):
    """Reads all of x and of the error image, eq. 17."""

    def __init__(self, config: drawzoo.Config, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        channels, height, width = sizes.image
        self.out_features = 2 * channels * height * width

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, None]:
        return torch.cat([x, error], dim=1).flatten(1), None


class NoReader(drawzoo.Reader):
    """Reads nothing, for encoders that look at the image in their own way."""

    out_features = 0

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, None]:
        return x.new_empty(len(x), 0), None
