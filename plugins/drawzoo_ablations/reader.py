"""A read operation that does not see the image."""

from __future__ import annotations

from drawzoo_draw.reader import AttentiveReader
from drawzoo_draw.settings import AttentionConfig
from torch import Tensor

import drawzoo
from drawzoo import read_patch

__all__ = ["ErrorReader"]


class ErrorReader(AttentiveReader):
    """Reads an N × N patch of the error image alone: eq. 27 without its first half."""

    def __init__(self, config: AttentionConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__(config, sizes)
        self.out_features //= 2

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, drawzoo.Window]:
        window = self.window(h_dec)
        return read_patch(error, window).flatten(1), window
