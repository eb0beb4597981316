r"""The long short-term memory that DRAW's decoder and encoders share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["LSTM", "gradients_at_once"]


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
        self._sequence: _Sequence | None = None
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
        x = torch.cat([*inputs, h], dim=1)
        if self._sequence is not None and (tap := self._sequence.tap(x)) is not None:
            return cast(tuple[Tensor, Tensor], _Cell.apply(x, c, drive, tap, self.gates))
        gates = self.gates(x)
        if drive is not None:
            gates = gates + drive
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


@contextlib.contextmanager
def gradients_at_once(model: nn.Module, steps: int, batch: int) -> Iterator[None]:
    """Within it, the steps of each `LSTM` in a model are one sequence for the backward pass.

    The gradient of an LSTM's weights is then one matrix product over all steps instead of a small
    one at each, and the gates' pointwise work is done in place, with its backward written out. It
    is what `LSTM.forward` says, to rounding. Results can be differentiated once.

    Where autograd is not the one to differentiate (no gradients are asked for, `torch.func`) and
    in mixed precision, it does nothing.

    Arguments:
        model: The model, at any depth of which LSTMs are found.
        steps: How often each is called, at most; what is more is computed plainly.
        batch: B, of every call.
    """
    lstms = [module for module in model.modules() if isinstance(module, LSTM)]
    plain = not torch.is_grad_enabled() or torch._C._functorch.peek_interpreter_stack() is not None
    for lstm in lstms:
        weight = lstm.gates.weight
        if not (plain or torch.is_autocast_enabled(weight.device.type)) and weight.requires_grad:
            lstm._sequence = _Sequence(lstm.gates, steps, batch)
    try:
        yield
    finally:
        for lstm in lstms:
            lstm._sequence = None


class _Sequence:
    """The steps of one LSTM whose weights' gradients are computed together.

    Every step adds a tap to its gates, a zero that depends on the weights; the gradients of all
    taps, which are those of the gates, then come to the weights' backward together.
    """

    def __init__(self, gates: nn.Linear, steps: int, batch: int) -> None:
        self.inputs: list[Tensor] = []
        self.taps = _Weights.apply(gates.weight, gates.bias, self.inputs, steps, batch)

    def tap(self, x: Tensor) -> Tensor | None:
        """The tap of the next step, whose input is x; None if there is none for it."""
        step = len(self.inputs)
        if step == len(self.taps) or len(x) != len(self.taps[step]):
            return None
        # Detached, since the graph holds on to the inputs.
        self.inputs.append(x.detach())
        return cast(Tensor, self.taps[step])


class _Weights(torch.autograd.Function):
    """Weights → a tap [B, 4 U] for each step."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor, inputs: list[Tensor], steps: int, batch: int
    ) -> tuple[Tensor, ...]:
        ctx.inputs = inputs
        ctx.set_materialize_grads(False)
        return tuple(weight.new_zeros(()).expand(batch, len(weight)) for _ in range(steps))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *taps: Tensor | None) -> tuple[Tensor | None, ...]:
        # Taps of steps that were not taken, or do not matter, have no gradient.
        steps = [(x, d) for x, d in zip(ctx.inputs, taps, strict=False) if d is not None]
        if not steps:
            return None, None, None, None, None
        inputs, gates = (torch.cat(parts) for parts in zip(*steps, strict=True))
        return gates.mT @ inputs, gates.sum(dim=0), None, None, None


class _Cell(torch.autograd.Function):
    """One step: x = [inputs, h] of [B, I + U], the cell, drive and tap → h and the next cell."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, c: Tensor, drive: Tensor | None, tap: Tensor, linear: nn.Linear
    ) -> tuple[Tensor, Tensor]:
        gates = linear(x)
        if drive is not None:
            gates += drive
        i, f, g, o = gates.chunk(4, dim=1)
        gates[:, : 2 * c.shape[1]].sigmoid_()
        g.tanh_()
        o.sigmoid_()
        after = torch.mul(f, c).addcmul_(i, g)
        squashed = torch.tanh(after)
        ctx.save_for_backward(c, gates, squashed, linear.weight)
        ctx.driven = drive is not None
        return o * squashed, after

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor, dc: Tensor) -> tuple[Tensor | None, ...]:
        aten = torch.ops.aten
        c, gates, squashed, weight = ctx.saved_tensors
        i, f, g, o = gates.chunk(4, dim=1)
        d = torch.empty_like(gates)
        di, df, dg, do = d.chunk(4, dim=1)
        dc = aten.tanh_backward(dh * o, squashed).add_(dc)
        aten.sigmoid_backward(dc * g, i, grad_input=di)
        aten.sigmoid_backward(dc * c, f, grad_input=df)
        aten.tanh_backward(dc * i, g, grad_input=dg)
        aten.sigmoid_backward(dh * squashed, o, grad_input=do)
        return d @ weight, dc.mul_(f), d if ctx.driven else None, d, None
