r"""The long short-term memory that DRAW's decoder and encoders share."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from drawzoo import ops

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

    Attributes:
        training_dtype: The type of the gates' products in training mode; float32, or bfloat16,
            which processors with units for it multiply several times as fast. All other operations,
            and all operations in evaluation mode, are in the type of the inputs.

    Example:
        >>> lstm = LSTM(3, 5)
        >>> h, c = lstm(lstm.initial_state(2), torch.randn(2, 3))
        >>> h.shape
        torch.Size([2, 5])
    """

    matrix_blocks: ClassVar[dict[str, int]] = {"gates.weight": 4}

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.training_dtype = torch.float32
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
        fused = ops.lstm(self.gates, (*inputs, h), c, drive, self._rounding())
        if fused is not None:
            return fused
        gates = ops.linear(self.gates, *inputs, h, rounding=self._rounding())
        if drive is not None:
            gates = gates + drive
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def unroll(
        self, state: tuple[Tensor, Tensor], inputs: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """All steps at once, for known inputs: equal to calling `forward` step by step, but faster.

        Arguments:
            state: The hidden state and the cell before the first step, each [B, U].
            inputs: [T, B, I].

        Returns:
            The hidden states after each step, [B, T, U], and the last state.
        """
        fused = ops.unroll(self.gates, *state, inputs)
        if fused is not None:
            hidden, c = fused
            return hidden, (hidden[:, -1], c)
        states = []
        for step in inputs:
            state = self(state, step)
            states.append(state[0])
        return torch.stack(states, dim=1), state

    def _rounding(self) -> torch.dtype | None:
        """The type of the gates' products, or None for the type of the layer."""
        rounds = self.training and self.training_dtype != torch.float32
        return self.training_dtype if rounds else None
