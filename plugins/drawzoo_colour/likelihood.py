"""Observation models of colour: discretised logistics, and the paper's cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import drawzoo
from drawzoo_colour.logistic import (
    bounded,
    check_levels,
    expectation,
    log_probability,
    mean_of,
)
from drawzoo_colour.settings import MixtureConfig

__all__ = ["DiscretisedLogistic", "Intensities", "LogisticMixture"]

SLOPE = 0.25
"""μ = 1/2 + SLOPE × canvas: near grey, a canvas changes an image as logits would."""


class DiscretisedLogistic(drawzoo.Likelihood):
    """Independent sub-pixels; the canvas has channels for μ, then as many for log s."""

    bits_per_dimension = True

    def __init__(self, config: drawzoo.Config, sizes: drawzoo.Sizes) -> None:
        super().__init__(config, sizes)
        channels, height, width = sizes.image
        self.canvas_shape = (2 * channels, height, width)

    def _parameters_of(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log s, each [B, C, H, W]."""
        mean, scale = canvas.chunk(2, dim=1)
        return 0.5 + SLOPE * mean, bounded(scale)

    def mean(self, canvas: Tensor) -> Tensor:
        return expectation(*self._parameters_of(canvas))

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        return -log_probability(x, *self._parameters_of(canvas)).flatten(1).sum(dim=1)

    def canvas(self, mean: Tensor) -> Tensor:
        scale = torch.zeros_like(mean)
        # Pixels that are always black would start at −∞.
        centre = mean_of(mean.clamp(1e-3, 1 - 1e-3), bounded(scale))
        return torch.cat([(centre - 0.5) / SLOPE, scale], dim=1)

    def check(self, x: Tensor) -> None:
        check_levels(x)


class LogisticMixture(drawzoo.Likelihood):
    """A mixture for each pixel; in each component, a channel's μ follows those before it.

    A component is one for all channels of a pixel. Within it, channel c has the mean μ_c + Σ_d
    w_cd (x_d − E x_d) over the channels d before, so that one look at red says much of green and
    blue (as in PixelCNN++, whose means are not centred). The weights w are the same at all pixels.
    The canvas has, for each component, a logit, C channels for μ and C for log s.

    `mean` is exact for the first channel; for the others, up to what the edges at 0 and 1 cut off.
    """

    Config = MixtureConfig
    bits_per_dimension = True

    def __init__(self, config: MixtureConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__(config, sizes)
        channels, height, width = sizes.image
        self.components = config.components
        self.canvas_shape = (config.components * (1 + 2 * channels), height, width)
        # To begin with, each channel follows the one before it.
        follow = torch.diag(torch.ones(channels - 1), diagonal=-1)
        self.follow = nn.Parameter(follow.repeat(config.components, 1, 1))
        """w [K, C, C], of which what is below the diagonal counts."""

    def _parameters_of(self, canvas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits [B, K, H, W]; μ and log s, each [B, K, C, H, W]."""
        logits, rest = canvas[:, : self.components], canvas[:, self.components :]
        shape = (rest.shape[0], 2, self.components, -1, *rest.shape[2:])
        mean, scale = rest.reshape(shape).unbind(dim=1)
        return logits, 0.5 + SLOPE * mean, bounded(scale)

    def mean(self, canvas: Tensor) -> Tensor:
        logits, mean, log_scale = self._parameters_of(canvas)
        weights = logits.softmax(dim=1).unsqueeze(2)
        # The weights add up to 1, but for rounding.
        return (weights * expectation(mean, log_scale)).sum(dim=1).clamp(max=1.0)

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        logits, mean, log_scale = self._parameters_of(canvas)
        x = x.unsqueeze(1).expand_as(mean)
        surprise = x - expectation(mean, log_scale)
        mean = mean + torch.einsum("kcd,bkdhw->bkchw", self.follow.tril(-1), surprise)
        log_p = log_probability(x, mean, log_scale).sum(dim=2)
        return -(logits.log_softmax(dim=1) + log_p).logsumexp(dim=1).flatten(1).sum(dim=1)

    def canvas(self, mean: Tensor) -> Tensor:
        scale = torch.zeros_like(mean)
        centre = (mean_of(mean.clamp(1e-3, 1 - 1e-3), bounded(scale)) - 0.5) / SLOPE
        logits = mean.new_zeros(len(mean), self.components, *mean.shape[2:])
        repeat = (1, self.components, 1, 1)
        return torch.cat([logits, centre.repeat(repeat), scale.repeat(repeat)], dim=1)

    def check(self, x: Tensor) -> None:
        check_levels(x)


class Intensities(drawzoo.Likelihood):
    """The cross-entropy between intensities and the canvas's probabilities: no density of images.

    The paper trains so on colour (section 4.4). The least that it can be is the entropy of the
    intensities, which is not 0, so it is neither nats of a bound nor bits per dimension.
    """

    is_bound = False

    def mean(self, canvas: Tensor) -> Tensor:
        return torch.sigmoid(canvas)

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        loss = binary_cross_entropy_with_logits(canvas, x, reduction="none")
        return loss.flatten(1).sum(dim=1)

    def canvas(self, mean: Tensor) -> Tensor:
        return torch.logit(mean, eps=1e-3)
