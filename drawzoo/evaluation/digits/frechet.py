"""The Fréchet distance between two sets of features.

References:
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium
    | (Heusel et al., 2017), https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bootstrap_stderr", "frechet_distance"]


def frechet_distance(a: Tensor, b: Tensor) -> float:
    r"""The distance between the Gaussians that have the mean and covariance of each set.

    \[|μ_a - μ_b|^2 + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^{1/2})\]

    It is the square of a metric, as the figures called FID are. The trace of the root is the sum
    of the roots of the eigenvalues of \(Σ_a^{1/2} Σ_b Σ_a^{1/2}\), which is symmetric, so that no
    root of a general matrix is needed and covariances without full rank do no harm.

    Arguments:
        a: Features, [N, F].
        b: Features, [M, F].

    Example:
        >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))
        9.0
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = (torch.cov(x.T).view(x.shape[1], x.shape[1]) for x in (a, b))
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    between = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    return float(between + cov_a.trace() + cov_b.trace() - 2 * cross)


def bootstrap_stderr(a: Tensor, b: Tensor, generator: torch.Generator, times: int = 50) -> float:
    """The standard error of the distance: its spread over sets drawn again from the sets.

    Arguments:
        a: Features, [N, F].
        b: Features, [M, F].
        generator: The source of randomness.
        times: How often they are drawn.
    """

    def again(x: Tensor) -> Tensor:
        return x[torch.randint(len(x), (len(x),), generator=generator)]

    distances = [frechet_distance(again(a), again(b)) for _ in range(times)]
    return float(torch.tensor(distances, dtype=torch.float64).std())
