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
            which processors with units for it multiply several times as fast. Everything else, and
            all in evaluation mode, is in the type of the inputs.

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
        plain = self._is_plain() and not self._rounds()
        if torch.compiler.is_compiling() and plain and h.stride(0) != 0:
            # Compiled, the weight is laid out once for all steps; it would not pay at each.
            values, layer = torch.cat([*inputs, h], dim=1), (self.gates.weight, self.gates.bias)
            if ops.take_step(values, c, *layer, drive):
                return ops.step(values, c, *layer, drive)
        gates = self._gates(*inputs, h)
        if drive is not None:
            gates = gates + drive
        if ops.take_gates(gates, c):
            return ops.lstm(gates, c)
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def unroll(
        self, state: tuple[Tensor, Tensor], inputs: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Steps whose inputs are all known: the same as one after the other, and faster.

        Arguments:
            state: The hidden state and the cell before the first, each [B, U].
            inputs: [T, B, I].

        Returns:
            The hidden states after each step, [B, T, U], and the last state.
        """
        h, c = state
        if not torch.is_grad_enabled() and self._is_plain():
            layer = self.gates.weight, self.gates.bias
            if ops.take_steps(inputs, h, c, *layer):
                hidden, c = ops.unroll(inputs, h, c, *layer)
                return hidden, (hidden[:, -1], c)
        states = []
        for some in inputs:
            state = self(state, some)
            states.append(state[0])
        return torch.stack(states, dim=1), state

    def _gates(self, *parts: Tensor) -> Tensor:
        """The gates of inputs and hidden state before their nonlinearities, [B, 4 U]."""
        same = 0
        while same < len(parts) and parts[-1 - same].stride(0) == 0:
            same += 1
        gates: Tensor
        if not self._is_plain():
            gates = self.gates(torch.cat(parts, dim=1))
            return gates
        weight, bias = self.gates.weight, self.gates.bias
        if self._rounds():
            kind = self.training_dtype
            # The compiler rounds the weight once for all steps.
            values = torch.cat([part.to(kind) for part in parts], dim=1)
            gates = torch.nn.functional.linear(values, weight.to(kind), bias.to(kind))
            return gates.to(weight.dtype)
        learns = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        # Eagerly, joining the gradients of the weight's two parts takes what their product saves.
        if same in (0, len(parts)) or learns:
            gates = self.gates(torch.cat(parts, dim=1))
            return gates
        # A learned initial state is the same for all images, and so is its product.
        own, others = torch.cat(parts[:-same], dim=1), torch.cat([p[:1] for p in parts[-same:]], 1)
        of_own, of_others = torch.split(weight, [own.shape[1], others.shape[1]], dim=1)
        shared = torch.nn.functional.linear(others, of_others, bias)
        return torch.addmm(shared, own, of_own.t())

    def _rounds(self) -> bool:
        return self.training and self.training_dtype != torch.float32

    def _is_plain(self) -> bool:
        """Whether the layer is its weight and bias: not quantised, nor pruned, nor hooked."""
        layer = self.gates
        hooked = layer._forward_pre_hooks or layer._forward_hooks or layer._backward_hooks
        return type(layer) is nn.Linear and layer.bias is not None and not hooked
