"""The read and the write: from images to maps, and back."""

from __future__ import annotations

import torch
from torch import Tensor

import drawzoo
from drawzoo_convdraw.blocks import Enlarge, Shrink, maps_of
from drawzoo_convdraw.settings import ReaderConfig

__all__ = ["MapReader", "MapWriter"]


class MapReader(drawzoo.Reader):
    """Maps of the whole image and the error image, of h_dec's height and width."""

    Config = ReaderConfig

    def __init__(self, config: ReaderConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        channels, height, width = sizes.image
        self.out_shape = (config.maps, *maps_of(sizes.decoder_shape, "h_dec")[1:])
        self.shrink = Shrink((2 * channels, height, width), self.out_shape)

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, None]:
        return self.shrink(torch.cat([x, error], dim=1)), None


class MapWriter(drawzoo.Writer):
    """Adds to the whole canvas: W h_dec, W a transposed convolution."""

    def __init__(self, config: drawzoo.Config, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.enlarge = Enlarge(maps_of(sizes.decoder_shape, "h_dec"), sizes.canvas)

    def forward(self, h_dec: Tensor) -> tuple[Tensor, None]:
        return self.enlarge(h_dec), None
