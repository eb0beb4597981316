"""Read operations: through the attention window, of the whole image, and none at all."""

from __future__ import annotations

import torch
from torch import Tensor

from drawzoo.attention import WindowNet, read_patch
from drawzoo.components import Reader, Sizes, Window
from drawzoo.config import Config, Size

__all__ = ["AttentiveReader", "NoReader", "WholeReader"]


class AttentiveReader(Reader):
    """Reads an N × N patch of x and of the error image through one window, eq. 27."""

    class Config(Config):
        size: Size = 5

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        channels, height, width = sizes.image
        self.window = WindowNet(sizes.decoder, config.size, height, width)
        self.out_features = 2 * channels * config.size**2

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, Window]:
        window = self.window(h_dec)
        return read_patch(torch.cat([x, error], dim=1), window).flatten(1), window


class WholeReader(Reader):
    """Reads all of x and of the error image, eq. 17."""

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        channels, height, width = sizes.image
        self.out_features = 2 * channels * height * width

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, None]:
        return torch.cat([x, error], dim=1).flatten(1), None


class NoReader(Reader):
    """Reads nothing, for encoders that look at the image in their own way."""

    out_features = 0

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, None]:
        return x.new_empty(len(x), 0), None
