"""Codes that are maps, and their learned prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import drawzoo
from drawzoo_convdraw.blocks import maps_of, split
from drawzoo_convdraw.settings import LatentConfig

__all__ = ["MapLatent"]

RANGE = 4.0
"""log σ lies within ± RANGE, so that neither Q nor P can become a point."""


class MapLatent(drawzoo.Latent):
    r"""Diagonal Gaussians at each place, from h_enc and, for the prior, from h_dec.

    \[Q = \prod_l q(z^l_t \mid h^{enc,l}_t), \quad P = \prod_l p(z^l_t \mid h^{dec,l}_{t-1})\]

    with the layers' codes one below the other in z_t.
    """

    Config = LatentConfig

    def __init__(self, config: LatentConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__(config, sizes)
        self.q = _Heads(maps_of(sizes.encoder_shape, "h_enc")[0], config)
        self.p = _Heads(maps_of(sizes.decoder_shape, "h_dec")[0], config)
        with torch.no_grad():
            # The first priors are the standard normal.
            for parameter in self.p.parameters():
                parameter.zero_()

    @classmethod
    def shape_of(cls, config: LatentConfig, sizes: drawzoo.Sizes) -> tuple[int, ...]:
        height, width = (-(-side // config.stride) for side in sizes.image[1:])
        return (config.layers * config.maps, height, width)

    def posterior(self, h_enc: Tensor) -> drawzoo.Gaussian:
        return self.q.forward(h_enc)

    def prior(self, h_dec: Tensor) -> drawzoo.Gaussian:
        return self.p.forward(h_dec)


class _Heads(nn.Module):
    """A convolution for each layer: the layer's part of h → mean and log σ of the layer's code."""

    def __init__(self, inputs: int, config: LatentConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for part in split(inputs, config.layers):
            layer = nn.Conv2d(part, 2 * config.maps, 3, padding=1)
            with torch.no_grad():
                # The first standard deviations are near 1.
                layer.weight[config.maps :] *= 0.1
                layer.get_parameter("bias").zero_()
            self.layers.append(layer)

    def forward(self, h: Tensor) -> drawzoo.Gaussian:
        parts = h.tensor_split(len(self.layers), dim=1)
        heads = [
            layer(part).chunk(2, dim=1) for layer, part in zip(self.layers, parts, strict=True)
        ]
        mean, log_std = (torch.cat(part, dim=1) for part in zip(*heads, strict=True))
        return drawzoo.Gaussian(mean, RANGE * torch.tanh(log_std / RANGE))
