"""A convolutional write operation."""

from __future__ import annotations

from torch import Tensor

import drawzoo
from drawzoo_conv.blocks import DeconvImage
from drawzoo_conv.settings import DeconvConfig

__all__ = ["DeconvWriter"]


class DeconvWriter(drawzoo.Writer):
    """Writes to the whole canvas what transposed convolutions make of h_dec."""

    Config = DeconvConfig

    def __init__(self, config: DeconvConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.deconv = DeconvImage(sizes.decoder, config.channels, sizes.canvas)

    def forward(self, h_dec: Tensor) -> tuple[Tensor, None]:
        return self.deconv(h_dec), None
