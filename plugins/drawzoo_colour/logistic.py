r"""The discretised logistic distribution of 256 levels, in log-space.

A logistic variable of mean μ and scale s is rounded to the nearest k / 255; level 0 has all of the
tail below, level 255 all of the tail above. So the 256 probabilities add up to 1 whatever μ and s
are, and no level's has a floor.

References:
    | PixelCNN++ (Salimans et al., 2017), https://arxiv.org/abs/1701.05517
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

import drawzoo

__all__ = ["bounded", "check_levels", "expectation", "log_probability", "mean_of"]

MIDDLE, RANGE = -2.5, 4.5
"""log s lies in MIDDLE ± RANGE: s from a quarter of a level's width to several times all levels."""


def bounded(raw: Tensor) -> Tensor:
    """Log s of an unbounded number; 0 is a scale of 21 levels."""
    return MIDDLE + RANGE * torch.tanh(raw / RANGE)


def log_probability(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    r"""The logarithm of a level's probability, all tensors of one shape.

    \[\sigma(b) - \sigma(a) = \sigma(b)\,\sigma(-a)\,(1 - e^{a - b})\]

    where a and b are the level's lower and upper edge, of which levels 0 and 255 have but one.
    """
    precision = (-log_scale).exp()
    level = (255 * x).round()
    # Neighbours have one edge to the last bit, so that nothing between them is lost.
    upper = ((level + 0.5) / 255 - mean) * precision
    lower = ((level - 0.5) / 255 - mean) * precision
    below, above = logsigmoid(upper), logsigmoid(-lower)
    inside = below + above + torch.log(-torch.expm1(-precision / 255))
    return torch.where(level < 1, below, torch.where(level > 254, above, inside))


def expectation(mean: Tensor, log_scale: Tensor) -> Tensor:
    r"""The expected value of the variable kept within [0, 1]; closer to its levels' than 1 / 255.

    \[\int_0^1 P(X > u)\,du = s \log \frac{1 + e^{\mu / s}}{1 + e^{(\mu - 1) / s}}\]
    """
    precision = (-log_scale).exp()
    inside = softplus(mean * precision) - softplus((mean - 1) * precision)
    return (inside * log_scale.exp()).clamp(0, 1)


def mean_of(expected: Tensor, log_scale: Tensor) -> Tensor:
    """μ at which the expected value is what is given, strictly between 0 and 1."""
    precision = (-log_scale).exp()
    odds = torch.expm1(expected * precision) / -torch.expm1((expected - 1) * precision)
    return odds.log() / precision


def check_levels(x: Tensor) -> None:
    """Refuses pixels that are not one of the 256 levels k / 255.

    Raises:
        DrawzooError: If there are any.
    """
    levels = 255 * x
    if not ((levels - levels.round()).abs() < 1e-3).all() or x.min() < 0 or x.max() > 1:
        raise drawzoo.DrawzooError(
            "the discretised logistic is a distribution of 256 levels, and some pixels are not k / "
            "255 for any k from 0 to 255: no bound is defined for them; round the images first"
        )
