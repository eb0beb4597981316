"""A read operation that does not see the image."""

from __future__ import annotations

from torch import Tensor

import drawzoo
from drawzoo.attention import WindowNet, read_patch

__all__ = ["ErrorReader"]


class ErrorReader(drawzoo.Reader):
    """Reads an N × N patch of the error image alone: eq. 27 without its first half."""

    class Config(drawzoo.Config, frozen=True):
        size: drawzoo.Size = 5

    def __init__(self, config: Config, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        channels, height, width = sizes.image
        self.window = WindowNet(sizes.decoder, config.size, height, width)
        self.out_features = channels * config.size**2

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, drawzoo.Window]:
        window = self.window(h_dec)
        return read_patch(error, window).flatten(1), window
