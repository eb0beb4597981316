r"""Muon: momentum made orthogonal, for matrices.

References:
    | Muon: An optimizer for hidden layers in neural networks (Jordan et al., 2024)
    | https://kellerjordan.github.io/posts/muon/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from drawzoo.ops.private import multiplies_bfloat16
from drawzoo.training.vanished import without_subnormals

__all__ = ["Muon", "matrices", "orthogonalize"]

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the quintic polynomial, chosen by Jordan for the steepest slope at zero."""

ITERATIONS = 3
"""Of Newton-Schulz in a step of training: more cost time and gained nothing."""

SHORT = 64
"""Matrices of fewer rows or columns are iterated as they are, in float32: neither bfloat16 nor the
Gram matrix saves anything there."""

WIDE = 1.5
"""Columns over rows beyond which float32 takes fewer products on the Gram matrix."""

NEGLIGIBLE = 1e-9
"""Elements of a matrix of norm 1 that count as 0: below the rounding of the others, and so large
that no product of three is subnormal (see `drawzoo.training.vanished`). With half of the units of a
layer dead, a step took five times as long."""


def matrices(model: nn.Module) -> dict[nn.Parameter, int]:
    """The parameters of a model that suit `Muon`, each with its number of blocks.

    They are the weights of convolutions, and what modules declare in `matrix_blocks`: name of a
    parameter → number of matrices that lie one below the other in it, as the gates of an LSTM do.
    """
    found: dict[nn.Parameter, int] = {}
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            # A module around it may have declared its blocks already.
            found.setdefault(module.get_parameter("weight"), 1)
        for name, blocks in getattr(module, "matrix_blocks", {}).items():
            found[module.get_parameter(name)] = blocks
    return found


def orthogonalize(matrices: Tensor, iterations: int = ITERATIONS) -> Tensor:
    r"""Nearly the orthogonal factors \(U V^T\) of matrices \(U S V^T\), [N, R, C].

    Newton-Schulz iterations \(X ← aX + (bA + cA^2)X\) with \(A = XX^T\) bring the singular values
    of \(X / \|X\|_F\) towards 1. The coefficients trade exactness for speed: five iterations end
    between 0.7 and 1.2 where the singular values were not far apart, and do not converge. Products
    are in bfloat16 where the processor has units for it, as the result is no more exact than that.
    In float32 a wide matrix is multiplied once, by a factor that its Gram matrix alone gives.
    Elements below 1e-9 of the norm count as 0.

    Arguments:
        matrices: [N, R, C].
        iterations: At least 1.
    """
    rows, columns = matrices.shape[-2:]
    x = matrices.mT if rows > columns else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp_min(1e-7)
    x = torch.hardshrink(x, NEGLIGIBLE)
    large = min(rows, columns) >= SHORT
    rounded = large and _multiplies_bfloat16(x.device)
    if rounded:
        x = x.bfloat16()
    if large and not rounded and x.shape[-1] > WIDE * x.shape[-2]:
        x = _factor(x @ x.mT, iterations) @ x
    else:
        a, b, c = COEFFICIENTS
        for _ in range(iterations):
            gram = x @ x.mT
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if rows > columns else x).to(matrices.dtype)


def _factor(gram: Tensor, iterations: int) -> Tensor:
    r"""The product of each iteration's \(P = aI + bA + cA^2\); the next one's \(A\) is \(PAP\).

    All are polynomials of one symmetric matrix, so that they commute.
    """
    a, b, c = COEFFICIENTS
    polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    polynomial.diagonal(dim1=-2, dim2=-1).add_(a)
    if iterations == 1:
        return polynomial
    return _factor(polynomial @ gram @ polynomial, iterations - 1) @ polynomial


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cpu":
        return multiplies_bfloat16()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


class Muon(torch.optim.Optimizer):
    r"""Steps along the orthogonalised Nesterov momentum of matrices.

    \[M ← μM + (1-μ)G, \quad
      W ← (1 - ηλ)W - η \sqrt{\max(1, R/C)}\, \mathrm{orth}((1-μ)G + μM)\]

    A weight of several blocks is that many matrices, each orthogonalised by itself; dimensions
    beyond the second are flattened into the columns. Unlike `torch.optim.Muon`, which takes whole
    parameters of two dimensions one by one, and always in bfloat16, matrices of one shape are
    multiplied together.

    Arguments:
        blocks: The parameters and their numbers of blocks.
        lr: η.
        momentum: μ.
        weight_decay: λ, decoupled from the gradient.
    """

    def __init__(
        self,
        blocks: Mapping[nn.Parameter, int],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        groups = [
            {"params": [p for p, number in blocks.items() if number == some], "blocks": some}
            for some in sorted(set(blocks.values()))
        ]
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        without_subnormals(self)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients that there are."""
        shapes: dict[torch.Size, list[tuple[Tensor, Tensor, dict[str, Any]]]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._momentum(parameter, group["momentum"])
                    update = update.view(group["blocks"], -1, update[0].numel())
                    shapes.setdefault(update.shape[1:], []).append((parameter, update, group))
        for (rows, columns), same in shapes.items():
            stacked = orthogonalize(torch.cat([update for _, update, _ in same]))
            directions = torch.split(stacked, [len(update) for _, update, _ in same])
            for (parameter, _, group), direction in zip(same, directions, strict=True):
                rate = group["lr"]
                parameter.mul_(1 - rate * group["weight_decay"])
                scale = max(1.0, rows / columns) ** 0.5
                parameter.add_(direction.reshape(parameter.shape), alpha=-rate * scale)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        """Nesterov's momentum of a parameter, contiguous, after its gradient is taken in."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return torch.lerp(gradient, state["momentum"], momentum).contiguous()
