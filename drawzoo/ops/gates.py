"""The steps of an LSTM."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drawzoo.ops.library import LANES, Kernel, call, takes
from drawzoo.ops.products import lay_out, weight_gradient
from drawzoo.ops.routes import multiply_best

__all__ = ["lstm", "step", "take_gates", "take_step", "take_steps", "unroll"]


def take_gates(number: int, cell: Tensor, *others: Tensor) -> bool:
    """Whether `lstm` supports this number of gates, and all tensors have the cell's batch."""
    batch, units = cell.shape
    same = all(len(other) == batch for other in others)
    return same and number == 4 * units and units >= LANES


def take_steps(inputs: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Whether `unroll` supports these tensors, and is faster than products of the library."""
    (_, batch, size), units = inputs.shape, cell.shape[-1]
    fits = hidden.shape == cell.shape == (batch, units) and bias.shape == (4 * units,)
    fits = fits and weight.shape == (4 * units, size + units) and units % LANES == 0
    return fits and multiply_best() and takes(inputs, hidden, cell, weight, bias)


def take_step(
    values: Tensor, cell: Tensor, weight: Tensor, bias: Tensor, drive: Tensor | None
) -> bool:
    """Whether `step` supports these tensors."""
    (batch, units), tensors = cell.shape, [values, cell, weight, bias]
    fits = weight.shape == (4 * units, values.shape[1]) and bias.shape == (4 * units,)
    fits = fits and len(values) == batch and units % LANES == 0
    if drive is not None:
        fits = fits and drive.shape == (batch, 4 * units)
        tensors.append(drive)
    return fits and multiply_best() and takes(*tensors)


def _lstm(gates: Tensor, cell: Tensor, learns: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden state and cell, and the active gates for the gradient if one `learns`."""
    gates, cell = gates.contiguous(), cell.contiguous()
    hidden, following, active = _states(gates, cell, learns)
    call("drawzoo_lstm", *cell.shape, gates, cell, active, following, hidden)
    return hidden, following, active


def _lstm_gradient(
    active: Tensor, cell: Tensor, following: Tensor, d_hidden: Tensor, d_following: Tensor
) -> tuple[Tensor, Tensor]:
    tensors = [t.contiguous() for t in (active, cell, following, d_hidden, d_following)]
    d_gates, d_cell = _lstm_gradients(*tensors)
    call("drawzoo_lstm_gradient", *cell.shape, *tensors, d_gates, d_cell)
    return d_gates, d_cell


def _states(gates: Tensor, cell: Tensor, learns: bool) -> tuple[Tensor, Tensor, Tensor]:
    hidden, following = cell.new_empty(*cell.shape), cell.new_empty(*cell.shape)
    return hidden, following, gates.new_empty(*(gates.shape if learns else (0,)))


def _lstm_gradients(active: Tensor, cell: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    return active.new_empty(*active.shape), cell.new_empty(*cell.shape)


def _save_lstm(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, following, active = output
    ctx.save_for_backward(active, inputs[1], following)
    # The active gates have no gradient, and the last cell need not have one.
    ctx.set_materialize_grads(False)


def _lstm_backward(
    ctx: Any, d_hidden: Tensor | None, d_following: Tensor | None, _: None
) -> tuple[Tensor, Tensor, None]:
    active, cell, following = ctx.saved_tensors
    assert active.shape[0] == cell.shape[0], "the active gates were not kept"
    gradients = _gradients_of_state(cell, d_hidden, d_following)
    d_gates, d_cell = lstm_gradient(active, cell, following, *gradients)
    return d_gates, d_cell, None


def _gradients_of_state(cell: Tensor, *gradients: Tensor | None) -> list[Tensor]:
    return [torch.zeros_like(cell) if gradient is None else gradient for gradient in gradients]


lstm_gradient = Kernel(_lstm_gradient, _lstm_gradients)
states = Kernel(_lstm, _states, _save_lstm, _lstm_backward)


def lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The next hidden state and cell, [B, U] each, of the gates i, f, g, o [B, 4 U] and a cell."""
    learns = torch.is_grad_enabled() and (gates.requires_grad or cell.requires_grad)
    hidden, following, _ = states(gates, cell, learns)
    return hidden, following


def _step(
    values: Tensor,
    cell: Tensor,
    weight: Tensor,
    bias: Tensor,
    drive: Tensor | None,
    laid: Tensor,
    learns: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `_lstm`, with the product; the gradient needs `weight`, the kernel `laid`."""
    tensors = [None if t is None else t.contiguous() for t in (values, laid, bias, drive, cell)]
    hidden, following, active = _stepped(values, cell, learns)
    kept = active if learns else None
    call("drawzoo_step", *cell.shape, values.shape[1], *tensors, kept, following, hidden)
    return hidden, following, active


def _stepped(values: Tensor, cell: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
    *_, learns = others
    batch, units = cell.shape
    hidden, following = cell.new_empty(*cell.shape), cell.new_empty(*cell.shape)
    return hidden, following, cell.new_empty(batch if learns else 0, 4 * units)


def _step_gradient(
    active: Tensor,
    cell: Tensor,
    following: Tensor,
    d_hidden: Tensor,
    d_following: Tensor,
    laid: Tensor,
    columns: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `_lstm_gradient`, and the gradient of the values [B, K]; `laid` is the weight [4 U, K]."""
    tensors = [t.contiguous() for t in (active, cell, following, d_hidden, d_following, laid)]
    results = _step_gradients(*tensors, columns)
    call("drawzoo_step_gradient", *cell.shape, columns, *tensors, *results)
    return results


def _step_gradients(active: Tensor, cell: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
    *_, columns = others
    return *_lstm_gradients(active, cell), cell.new_empty(cell.shape[0], columns)


def _save_step(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    values, cell, weight, _, drive, _, _ = inputs
    _, following, active = output
    ctx.save_for_backward(values, weight, active, cell, following)
    ctx.driven = drive is not None
    ctx.set_materialize_grads(False)


def _step_backward(
    ctx: Any, d_hidden: Tensor | None, d_following: Tensor | None, _: None
) -> tuple[Tensor | None, ...]:
    values, weight, active, cell, following = ctx.saved_tensors
    gradients = _gradients_of_state(cell, d_hidden, d_following)
    laid, columns = lay_out(weight), weight.shape[1]
    d_gates, d_cell, d_values = step_gradient(active, cell, following, *gradients, laid, columns)
    d_weight, d_bias = weight_gradient([d_gates], [values])
    d_drive = d_gates if ctx.driven else None
    return d_values, d_cell, d_weight, d_bias, d_drive, None, None


step_gradient = Kernel(_step_gradient, _step_gradients)
stepped = Kernel(_step, _stepped, _save_step, _step_backward)


def step(
    values: Tensor, cell: Tensor, weight: Tensor, bias: Tensor, drive: Tensor | None
) -> tuple[Tensor, Tensor]:
    """As `lstm`, for the gates values [B, K] weightᵀ + bias + drive.

    Laying out the weight [4 U, K] takes a tenth of the time of a product with 100 rows. A compiler
    that finds the same weight in many steps lays the weight out once.
    """
    laid, learns = lay_out(weight.detach().t()), torch.is_grad_enabled()
    hidden, following, _ = stepped(values, cell, weight, bias, drive, laid, learns)
    return hidden, following


def _unroll(
    inputs: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """All steps of an LSTM, without gradients.

    Arguments:
        inputs: The inputs of all steps, [T, B, I].
        hidden: The state before the first step, [B, U]; an expanded state is multiplied once.
        cell: The cell before the first step, [B, U].
        weight: The weight of inputs and hidden state, for the gates i, f, g, o, [4 U, I + U].
        bias: [4 U].

    Returns:
        The hidden states after each step [B, T, U], and the last cell [B, U].
    """
    inputs, bias = inputs.contiguous(), bias.contiguous()
    if hidden.stride() != (0, 1):
        hidden = hidden.contiguous()
    (steps, batch, size), units = inputs.shape, cell.shape[1]
    laid = lay_out(weight.t())
    states, last = _unrolled(inputs, hidden, cell)
    last.copy_(cell)
    joined = inputs.new_empty(2, batch, size + units)
    sizes = (batch, steps, size, units, hidden.stride(0))
    call("drawzoo_unroll", *sizes, inputs, hidden, laid, bias, last, joined, states)
    return states, last


def _unrolled(
    inputs: Tensor, hidden: Tensor, cell: Tensor, *parameters: Tensor
) -> tuple[Tensor, Tensor]:
    steps, batch, _ = inputs.shape
    return cell.new_empty(batch, steps, cell.shape[1]), cell.new_empty(*cell.shape)


unroll = Kernel(_unroll, _unrolled)
