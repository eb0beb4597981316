"""Inference over several steps, of which the gradient needs all or only some to be kept."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from drawzoo.engine.drawing import State
from drawzoo.engine.latent import Gaussian
from drawzoo.engine.sampling import Sampling

__all__ = ["Recomputing", "Stretch"]


class Stretch(NamedTuple):
    """The results of several steps of inference: what the loss needs."""

    state: State
    """After the last step."""
    posteriors: list[Gaussian]
    """Q(Z_t | h_enc) of each step."""
    priors: list[Gaussian | None]
    """P(Z_t | h_dec) of each step; None is the standard normal."""

    def followed_by(self, later: Stretch) -> Stretch:
        """Two stretches as one; the later begins where this one ended."""
        return Stretch(later.state, self.posteriors + later.posteriors, self.priors + later.priors)


class Recomputing(Sampling):
    """Inference of all steps with the recurrence of `Draw`.

    Attributes:
        recompute: Whether the state of every √T-th step alone is kept for the gradient, which then
            computes the steps between anew: less memory, the same gradient, and more time.
    """

    recompute = False

    def inferred(self, x: Tensor, context: Any, noise: Tensor) -> Stretch:
        """All steps from the initial state, one for each noise in [T, B, ...]."""
        if not (self.recompute and torch.is_grad_enabled()):
            return self.stretch(x, context, noise)
        whole = Stretch(self.initial_state(len(x)), [], [])
        for part in torch.split(noise, max(1, math.isqrt(len(noise)))):
            whole = whole.followed_by(self.recomputed(x, context, part, whole.state))
        return whole

    def stretch(
        self, x: Tensor, context: Any, noise: Tensor, state: State | None = None
    ) -> Stretch:
        """As `Draw.inference`, but for the last state and the distributions alone."""
        posteriors, priors = [], []
        # Steps are not kept: without gradients, the memory of each is used again.
        for step in self.inference(x, context, noise, state):
            posteriors.append(step.posterior)
            priors.append(step.prior)
        return Stretch(step.state, posteriors, priors)

    def recomputed(self, x: Tensor, context: Any, noise: Tensor, state: State) -> Stretch:
        """As `stretch`, of which nothing is kept for the gradient but the arguments."""
        result: Stretch = checkpoint(self.stretch, x, context, noise, state, use_reentrant=False)
        return result
