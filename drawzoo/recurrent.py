r"""The long short-term memory that DRAW's decoder and encoders share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drawzoo import kernels

__all__ = ["LSTM"]


class LSTM(nn.Module):
    r"""One step of an LSTM, with learned initial state.

    All inputs and the previous hidden state go through one matrix product. Unlike
    `torch.nn.LSTMCell` it takes several inputs, keeps one bias instead of two, starts the forget
    gates open (bias 1), and owns the initial state \((h_0, c_0)\), which the paper learns.

    References:
        | Long short-term memory in recurrent neural networks (Gers, 2001)

    Arguments:
        inputs: The number of input features, of all inputs together.
        units: The number of units \(U\).

    Example:
        >>> lstm = LSTM(3, 5)
        >>> h, c = lstm(lstm.initial_state(2), torch.randn(2, 3))
        >>> h.shape
        torch.Size([2, 5])
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.gates = nn.Linear(inputs + units, 4 * units)
        self.initial = nn.Parameter(torch.zeros(2, units))
        with torch.no_grad():
            self.gates.bias.zero_()
            self.gates.bias[units : 2 * units] = 1.0

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        r"""The learned \((h_0, c_0)\), each of shape [B, U]."""
        h, c = self.initial.unsqueeze(1).expand(2, batch, self.units).unbind()
        return h, c

    def forward(
        self, state: tuple[Tensor, Tensor], *inputs: Tensor, drive: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """
        Arguments:
            state: The hidden state and the cell, each [B, U].
            inputs: Any number of [B, *] tensors.
            drive: Added to the gates, [B, 4 U]: the share of inputs that are the same at every
                step, whose matrix product is then needed only once.

        Returns:
            The next hidden state and cell, each [B, U].
        """
        h, c = state
        gates = self._gates(h, *inputs)
        if drive is not None:
            gates = gates + drive
        if kernels.take_gates(gates, c):
            return kernels.lstm(gates, c)
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def _gates(self, h: Tensor, *inputs: Tensor) -> Tensor:
        """The gates before their nonlinearities, [B, 4 U]."""
        initial = bool(inputs) and h.stride(0) == 0
        # What is no plain layer, as after quantisation, need not have such a weight.
        if torch.is_grad_enabled() or not initial or type(self.gates) is not nn.Linear:
            gates: Tensor = self.gates(torch.cat([*inputs, h], dim=1))
            return gates
        # The initial state is the same for all, and so is its product. With gradients the saving
        # would be lost to those of the weight's two parts.
        own, others = self.gates.weight[:, -self.units :], self.gates.weight[:, : -self.units]
        same = torch.nn.functional.linear(h[:1], own, self.gates.bias)
        return torch.addmm(same, torch.cat(inputs, dim=1), others.t())
