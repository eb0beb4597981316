r"""A spatial transformer, in its attention form.

References:
    | Spatial transformer networks (Jaderberg et al., 2015), https://arxiv.org/abs/1506.02025
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import drawzoo
from drawzoo_stn.settings import CropConfig

__all__ = ["SpatialTransformerReader"]


class SpatialTransformerReader(drawzoo.Reader):
    r"""Samples an N × N crop of x and of the error image, in place of eq. 27.

    The localisation network is one linear layer, the transformation has the form of attention
    (Jaderberg's eq. 2): an isotropic scale s and two shifts.

    \[(\hat s, \hat t_X, \hat t_Y) = W(h^{dec}), \qquad s = 2σ(\hat s), \quad t = \tanh(\hat t)\]

    The centre of the crop stays on the canvas, and s below 2, as a sample from beyond the edge
    has no gradient to come back by. The layer starts at zero, the identity: s = 1 and t = 0 share
    the longer side of the canvas out among the N samples.
    """

    Config = CropConfig

    def __init__(self, config: CropConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        channels, self.height, self.width = sizes.image
        self.size = config.size
        self.out_features = 2 * channels * config.size**2
        self.localisation = nn.Linear(sizes.decoder, 3)
        nn.init.zeros_(self.localisation.weight)
        nn.init.zeros_(self.localisation.bias)

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, drawzoo.Window]:
        window = self.window(h_dec)
        return sample(torch.cat([x, error], dim=1), window).flatten(1), window

    def window(self, h_dec: Tensor) -> drawzoo.Window:
        """The crop for h_dec [B, D]: its grid is DRAW's, its filters are triangles of σ² = 1/6."""
        raw = self.localisation(h_dec)
        scale = 2 * torch.sigmoid(raw[:, 0])
        tx, ty = torch.tanh(raw[:, 1:]).unbind(dim=1)
        one = torch.ones_like(scale)
        return drawzoo.Window(
            gx=(self.width + 1) / 2 + self.width / 2 * tx,
            gy=(self.height + 1) / 2 + self.height / 2 * ty,
            stride=max(self.height, self.width) / self.size * scale,
            variance=one / 6,
            intensity=one,
            size=self.size,
        )


def sample(image: Tensor, window: drawzoo.Window) -> Tensor:
    r"""Bilinear samples at the points of a window's grid; there is nothing beyond the edges.

    \[V_{ij} = \sum_{h, w} U_{hw} \max(0, 1 - |x_j - w|) \max(0, 1 - |y_i - h|)\]

    Jaderberg's eq. 5. Without rotation each factor depends on one axis alone, so the sum is two
    products of matrices.

    Arguments:
        image: U, [B, C, H, W].
        window: The grid, whose points are x and y; its variance and intensity are not looked at.

    Returns:
        V, [B, C, N, N].
    """
    height, width = image.shape[2:]
    fy = _weights(window.gy, window.stride, window.size, height)
    fx = _weights(window.gx, window.stride, window.size, width)
    return fy.unsqueeze(1) @ image @ fx.mT.unsqueeze(1)


def _weights(centre: Tensor, stride: Tensor, size: int, length: int) -> Tensor:
    """The bilinear weights along one axis, [B, N, length]."""
    i = torch.arange(1, size + 1, device=centre.device, dtype=centre.dtype)
    a = torch.arange(1, length + 1, device=centre.device, dtype=centre.dtype)
    points = centre[:, None] + (i - (size + 1) / 2) * stride[:, None]
    return torch.relu(1 - (a - points[:, :, None]).abs())
