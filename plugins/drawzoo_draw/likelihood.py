"""The paper's observation model."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

import drawzoo
from drawzoo import ConfigError

__all__ = ["Bernoulli"]


class Bernoulli(drawzoo.Likelihood):
    """Independent binary pixels; the canvas holds their logits (eq. 9 and the text above it)."""

    def mean(self, canvas: Tensor) -> Tensor:
        return torch.sigmoid(canvas)

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(canvas, x, reduction="none").flatten(1).sum(1)

    def canvas(self, mean: Tensor) -> Tensor:
        # Pixels that are never on would start at −∞.
        return torch.logit(mean, eps=1e-3)

    def check(self, x: Tensor) -> None:
        if not ((x == 0) | (x == 1)).all():
            raise ConfigError(
                "the Bernoulli likelihood is a distribution of binary images, and some pixels are "
                "neither 0 nor 1: no bound is defined for grey or colour; binarise the images first"
            )
