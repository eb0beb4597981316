r"""The distributions of a step's latent code: the posterior Q(Z_t | h_enc) and the prior P(Z_t).

References:
    | DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015), eq. 1, 2, 6, 10
    | https://arxiv.org/abs/1502.04623
    | Towards Conceptual Compression (Gregor et al., 2016), for priors that are learned
    | https://arxiv.org/abs/1604.08772
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drawzoo.engine.components import Component, Shape, Sizes

__all__ = ["Gaussian", "Latent", "kl_of_steps"]


class Gaussian(NamedTuple):
    """A diagonal Gaussian over codes of any shape: two tensors [B, ...], or [T, B, ...]."""

    mean: Tensor
    log_std: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """The code μ + σ ε for standard normal noise ε."""
        return self.mean + self.log_std.exp() * noise

    def kl(self, prior: Gaussian | None = None, *, batch_dims: int = 1) -> Tensor:
        r"""KL(self ‖ prior) in nats, eq. 11; the prior is the standard normal unless given.

        \[\tfrac12 \sum_i (μ_i^2 + σ_i^2 - \log σ_i^2 - 1)\]

        The −½ counts once for each number of a code.

        Arguments:
            prior: P(Z_t | h_dec), of the same shape.
            batch_dims: The leading dimensions that are kept: 1 for [B, ...], 2 for [T, B, ...].
        """
        mean, log_std = self
        if prior is not None:
            mean = (mean - prior.mean) * (-prior.log_std).exp()
            log_std = log_std - prior.log_std
        nats = mean.square() + (2 * log_std).exp() - 2 * log_std - 1
        return 0.5 * nats.flatten(batch_dims).sum(dim=batch_dims)

    def log_ratio(self, noise: Tensor, prior: Gaussian | None = None) -> Tensor:
        r"""Log P(z) − log Q(z) in nats at the code z = μ + σ ε, [B].

        \[\sum_i (\log σ_i + \tfrac12 ε_i^2 - \tfrac12 z_i^2)\]

        The mean over ε is −KL.
        """
        z, log_std = self.at(noise), self.log_std
        if prior is not None:
            z = (z - prior.mean) * (-prior.log_std).exp()
            log_std = log_std - prior.log_std
        return (log_std + 0.5 * (noise.square() - z.square())).flatten(1).sum(dim=1)


def kl_of_steps(posteriors: Sequence[Gaussian], priors: Sequence[Gaussian | None]) -> Tensor:
    """KL(Q_t ‖ P_t) of each step in nats, [T, B]; all priors are None or none is."""
    given = [prior for prior in priors if prior is not None]
    # All steps at once: for codes as short as DRAW's it takes a fraction of the time.
    prior = _stacked(given) if given else None
    return _stacked(posteriors).kl(prior, batch_dims=2)


def _stacked(steps: Sequence[Gaussian]) -> Gaussian:
    """The Gaussians of all steps as one of [T, B, ...]."""
    return Gaussian(*map(torch.stack, zip(*steps, strict=True)))


class Latent(Component):
    """The posterior and the prior of a step's code: a vector, maps, or any other shape.

    Attributes:
        shape: The shape of a code z_t, without the batch.
    """

    shape: Shape

    def __init__(self, config: Any, sizes: Sizes) -> None:
        super().__init__()
        self.shape = sizes.latent_shape

    @classmethod
    def shape_of(cls, config: Any, sizes: Sizes) -> Shape:
        """The shape of a code by the settings, known before anything is built.

        Arguments:
            config: The settings, a `Config` of the class.
            sizes: The shapes of image and canvas alone.
        """
        raise NotImplementedError

    def posterior(self, h_enc: Tensor) -> Gaussian:
        """Q(Z_t | h_enc_t), eq. 1 and 2: h_enc [B, ...] → mean and log σ, [B, *shape] each."""
        raise NotImplementedError

    def prior(self, h_dec: Tensor) -> Gaussian | None:
        """P(Z_t | h_dec_{t−1}): h_dec [B, ...] → mean and log σ, [B, *shape] each.

        None, at every step, is the standard normal of the paper (eq. 10), which needs no h_dec:
        drawing is faster for it.
        """
        return None
