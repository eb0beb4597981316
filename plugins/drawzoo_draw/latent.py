"""The paper's latent code."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

import drawzoo
from drawzoo_draw.settings import GaussianConfig

__all__ = ["GaussianLatent"]


class GaussianLatent(drawzoo.Latent):
    """A vector: a diagonal Gaussian from h_enc, eq. 1 and 2; the prior is the standard normal."""

    Config = GaussianConfig
    matrix_blocks: ClassVar[dict[str, int]] = {"layer.weight": 1}

    def __init__(self, config: GaussianConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__(config, sizes)
        self.layer = nn.Linear(sizes.encoder, 2 * config.size)
        with torch.no_grad():
            # The first posteriors have a standard deviation near 1, the prior's.
            self.layer.weight[config.size :] *= 0.1
            self.layer.bias.zero_()

    @classmethod
    def shape_of(cls, config: GaussianConfig, sizes: drawzoo.Sizes) -> tuple[int, ...]:
        return (config.size,)

    def posterior(self, h_enc: Tensor) -> drawzoo.Gaussian:
        mean, log_std = self.layer(h_enc).chunk(2, dim=1)
        return drawzoo.Gaussian(mean, log_std)
