"""What stands for a likelihood in a model that is not for drawing."""

from __future__ import annotations

import torch
from torch import Tensor

import drawzoo
from drawzoo_classifier.settings import SquaresConfig

__all__ = ["Squares"]


class Squares(drawzoo.Likelihood):
    r"""\(w \sum (x - σ(c))^2\), no density of images.

    With a weight as small as the default the loss is the encoder's own, whatever is drawn.
    """

    Config = SquaresConfig
    is_bound = False

    def __init__(self, config: SquaresConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__(config, sizes)
        self.weight = config.weight

    def mean(self, canvas: Tensor) -> Tensor:
        return torch.sigmoid(canvas)

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        return self.weight * (x - self.mean(canvas)).square().flatten(1).sum(dim=1)

    def canvas(self, mean: Tensor) -> Tensor:
        return torch.logit(mean, eps=1e-3)
