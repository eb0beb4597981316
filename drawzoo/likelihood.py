r"""The observation models p(x | c_T): how the final canvas gives a distribution of images."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from drawzoo.errors import ConfigError

__all__ = ["LIKELIHOODS", "Bernoulli", "Likelihood"]


class Likelihood(Protocol):
    """What the engine asks of an observation model."""

    def mean(self, canvas: Tensor) -> Tensor:
        """The expected image [B, C, H, W], which is also the current guess in the error image."""
        ...

    def check(self, x: Tensor) -> None:
        """Refuses images [B, C, H, W] outside the support, of which p(x | canvas) is no density.

        Raises:
            ConfigError: If there are any.
        """
        ...

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        """−log p(x | canvas) of each image, in nats, [B]."""
        ...

    def canvas(self, mean: Tensor) -> Tensor:
        """The canvas whose expected image is `mean`: where a drawing may start."""
        ...


class Bernoulli:
    """Independent binary pixels; the canvas holds their logits (eq. 9 and the text above it)."""

    def mean(self, canvas: Tensor) -> Tensor:
        return torch.sigmoid(canvas)

    def check(self, x: Tensor) -> None:
        if not ((x == 0) | (x == 1)).all():
            raise ConfigError(
                "the Bernoulli likelihood is a distribution of binary images, and some pixels are "
                "neither 0 nor 1: no bound is defined for grey or colour; binarise the images first"
            )

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(canvas, x, reduction="none").flatten(1).sum(1)

    def canvas(self, mean: Tensor) -> Tensor:
        # Pixels that are never on would start at −∞.
        return torch.logit(mean, eps=1e-3)


LIKELIHOODS: dict[str, Likelihood] = {"bernoulli": Bernoulli()}
