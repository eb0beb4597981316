r"""The gated recurrent unit.

References:
    | Learning phrase representations using RNN encoder-decoder for statistical machine translation
    | (Cho et al., 2014), https://arxiv.org/abs/1406.1078
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

__all__ = ["GRU"]


class GRU(nn.Module):
    r"""One step of a gated recurrent unit, with learned initial state.

    \[r, u = σ(W_{r,u}\, x + U_{r,u}\, h), \quad
      n = \tanh(W_n x + r ⊙ U_n h), \quad
      h ← u ⊙ h + (1 - u) ⊙ n\]

    Cho's eq. 5–8, but for the reset gate, which is applied after the product and not before it, as
    in cuDNN and `torch.nn.GRUCell`: all three products with h are then one.

    Arguments:
        inputs: The number of input features.
        units: The number of units U.

    Example:
        >>> gru = GRU(3, 5)
        >>> gru(gru.initial_state(2), gru.drive(torch.randn(2, 3))).shape
        torch.Size([2, 5])
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.drive = _Gates(inputs, 3 * units)
        self.recurrent = _Gates(units, 3 * units)
        self.initial = nn.Parameter(torch.zeros(units))

    def initial_state(self, batch: int) -> Tensor:
        """The learned h_0, [B, U]."""
        return self.initial.expand(batch, -1)

    def forward(self, h: Tensor, drive: Tensor) -> Tensor:
        """
        Arguments:
            h: The hidden state, [B, U].
            drive: The inputs' share of the gates, W x, [B, 3 U]: `drive` of x [B, I].

        Returns:
            The next hidden state, [B, U].
        """
        r, u, n = drive.chunk(3, dim=1)
        of_r, of_u, of_n = self.recurrent(h).chunk(3, dim=1)
        new = torch.tanh(n + torch.sigmoid(r + of_r) * of_n)
        return torch.lerp(new, h, torch.sigmoid(u + of_u))


class _Gates(nn.Linear):
    """The maps of reset gate, update gate and new state, one below the other."""

    matrix_blocks: ClassVar[dict[str, int]] = {"weight": 3}
