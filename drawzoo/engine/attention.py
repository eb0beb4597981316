r"""The selective attention of DRAW: an N × N grid of Gaussian filters on the image.

References:
    | DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015), section 3
    | https://arxiv.org/abs/1502.04623
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from drawzoo import ops

__all__ = ["Window", "WindowNet", "filterbank", "filterbanks", "read_patch", "write_patch"]


LIMIT = 15.0
"""Bound of log σ², log δ̃ and log γ: far beyond every image, and safe from overflow."""


class Window(NamedTuple):
    """Where a read or a write looks, in pixels numbered from 1 as in the paper. Each is [B]."""

    gx: Tensor
    """Horizontal centre of the grid."""
    gy: Tensor
    """Vertical centre of the grid."""
    stride: Tensor
    """Distance δ between two filters' centres."""
    variance: Tensor
    """Variance σ² of the filters, in squared pixels."""
    intensity: Tensor
    """Intensity γ."""
    size: int
    """N, the filters along each side of the grid."""

    def box(self, index: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of one image's window, in pixels counted from 0."""
        half = (self.size - 1) / 2 * float(self.stride[index]) + float(self.variance[index]) ** 0.5
        # The paper counts pixels from 1; a pixel's square reaches half a pixel around its centre.
        x, y = float(self.gx[index]) - 0.5, float(self.gy[index]) - 0.5
        return x - half, y - half, x + half, y + half


class WindowNet(nn.Linear):
    r"""The linear map from the decoder's output to a window, eq. 21–24.

    \[(\tilde g_X, \tilde g_Y, \log σ^2, \log \tilde δ, \log γ) = W(h^{dec})\]

    Small initial weights and zero biases make the first windows cover the canvas: a window must
    see something before it can learn where to look. With one or two filters a side, zero biases
    would see one pixel or the four corners; there the initial biases share the canvas out among
    the filters, and σ is half of a share.

    Arguments:
        features: The number of features of h_dec.
        size: N, the filters along each side.
        height: Height B of the image, in pixels.
        width: Width A of the image, in pixels.
    """

    def __init__(self, features: int, size: int, height: int, width: int) -> None:
        super().__init__(features, 5)
        self.size, self.height, self.width = size, height, width
        with torch.no_grad():
            self.weight.mul_(0.1)
            self.bias.zero_()
            if size <= 2 and max(height, width) > 1:
                share = max(height, width) / size
                self.bias[2] = 2 * math.log(share / 2)
                self.bias[3] = math.log(share / self._span())

    def forward(self, h_dec: Tensor) -> Window:  # type: ignore[override]  # a window, no tensor
        """The `Window` for h_dec [B, D]."""
        raw = super().forward(h_dec)
        centre, logarithms = torch.split(raw, [2, 3], dim=1)
        gx, gy = (centre + 1).unbind(dim=1)
        variance, stride, intensity = logarithms.clamp(-LIMIT, LIMIT).exp().unbind(dim=1)
        return Window(
            gx=(self.width + 1) / 2 * gx,
            gy=(self.height + 1) / 2 * gy,
            stride=self._span() * stride,
            variance=variance,
            intensity=intensity,
            size=self.size,
        )

    def _span(self) -> float:
        """The stride, in pixels, with which the grid reaches from edge to edge."""
        return (max(self.height, self.width) - 1) / max(self.size - 1, 1)


def filterbank(centre: Tensor, stride: Tensor, variance: Tensor, size: int, length: int) -> Tensor:
    r"""N Gaussian filters along one axis, eq. 19, 20, 25 and 26.

    \[μ^i = g + (i - N/2 - 0.5)\,δ, \qquad F[i, a] = \exp(-(a - μ^i)^2 / 2σ^2) / Z\]

    with \(i = 1…N\), \(a = 1…A\), and Z such that each row sums to 1. The quotient is computed as
    a softmax over a, so it stays exact where every exponential underflows.

    Arguments:
        centre: g, [B].
        stride: δ, [B].
        variance: σ², [B].
        size: N.
        length: A, the pixels along the axis.

    Returns:
        The filters, [B, N, A].

    Example:
        >>> g, one = torch.tensor([14.5]), torch.ones(1)
        >>> filterbank(g, one, one, 5, 28).shape
        torch.Size([1, 5, 28])
    """
    i = torch.arange(1, size + 1, device=centre.device, dtype=centre.dtype)
    a = torch.arange(1, length + 1, device=centre.device, dtype=centre.dtype)
    mu = centre[:, None] + (i - size / 2 - 0.5) * stride[:, None]
    # A variance that underflows to 0 would make 0 / 0 of a pixel at the very centre.
    scale = 0.5 / variance.clamp_min(1e-8)
    return torch.softmax(-scale[:, None, None] * (a - mu[:, :, None]).square(), dim=2)


def filterbanks(window: Window, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The vertical [B, N, H] and the horizontal [B, N, W] filters of a window."""
    gx, gy, stride, variance, _, size = window
    if height == width:
        # Both at once: half the operations, which for filters this small is half the time.
        both = filterbank(
            torch.cat([gy, gx]), stride.repeat(2), variance.repeat(2), size, height
        ).view(2, gy.shape[0], size, height)
        return both[0], both[1]
    return (
        filterbank(gy, stride, variance, size, height),
        filterbank(gx, stride, variance, size, width),
    )


def read_patch(image: Tensor, window: Window) -> Tensor:
    r"""Reads an N × N patch from each image, eq. 27: \(γ\, F_Y\, x\, F_X^⊤\).

    Arguments:
        image: [B, C, H, W].
        window: Where to look.

    Returns:
        [B, C, N, N].
    """
    batch, channels, height, width = image.shape
    *where, intensity, size = window
    if ops.take_window(image, size, height, width, *where):
        patch: Tensor = ops.read(image, size, *where)
        return intensity[:, None, None, None] * patch
    fy, fx = filterbanks(window, height, width)
    # einsum("bnh,bchw,bmw->bcnm", fy, image, fx), as two products of B matrices each.
    columns = (image.reshape(batch, channels * height, width) @ fx.mT).view(
        batch, channels, height, size
    )
    patch = fy @ columns.transpose(1, 2).reshape(batch, height, channels * size)
    patch = patch.view(batch, size, channels, size).transpose(1, 2)
    return intensity[:, None, None, None] * patch


def write_patch(
    patch: Tensor, window: Window, height: int, width: int, *, steps: int = 1
) -> Tensor:
    r"""Writes N × N patches to otherwise empty canvases, eq. 29: \(F_Y^⊤\, w\, F_X / γ\).

    Arguments:
        patch: [B · T, C, N, N].
        window: Where to write.
        height: Height of the canvas, in pixels.
        width: Width of the canvas, in pixels.
        steps: T, how many patches in a row go onto the same canvas; one product sums all T.

    Returns:
        [B, C, H, W].
    """
    count, channels, size, _ = patch.shape
    *where, intensity, _ = window
    patch = patch / intensity[:, None, None, None]
    whole = patch.shape == (count // steps * steps, channels, window.size, window.size)
    if whole and ops.take_window(patch, size, height, width, *where):
        canvas: Tensor = ops.write(patch, height, width, steps, *where)
        return canvas
    fy, fx = filterbanks(window, height, width)
    rows = (patch.reshape(count, channels * size, size) @ fx).view(count, channels, size, width)
    rows = rows.transpose(1, 2).reshape(count // steps, steps * size, channels * width)
    canvas = fy.reshape(count // steps, steps * size, height).mT @ rows
    return canvas.view(count // steps, height, channels, width).transpose(1, 2)
