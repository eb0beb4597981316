"""The fast ways of an LSTM's step, for `engine.lstm`, which has the plain way."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn

from drawzoo.ops import gates
from drawzoo.ops.library import takes
from drawzoo.ops.private import hooked

__all__ = ["linear", "lstm", "unroll"]

State = tuple[Tensor, Tensor]


def lstm(
    layer: nn.Linear,
    parts: tuple[Tensor, ...],
    cell: Tensor,
    drive: Tensor | None,
    rounding: torch.dtype | None = None,
) -> State | None:
    """The next hidden state and cell, [B, U] each, of the gates layer(parts) + drive.

    Arguments:
        layer: The linear layer of all parts, for the gates i, f, g, o.
        parts: The inputs and, last, the hidden state, [B, *] each.
        cell: [B, U].
        drive: Added to the gates, [B, 4 U].
        rounding: As in `linear`.

    Returns:
        None, if tensor operations have to take the step.
    """
    driven = () if drive is None else (drive,)
    if not _is_plain(layer) or torch.is_autocast_enabled("cpu"):
        return None
    if not takes(*parts, *driven, cell, layer.weight, layer.bias):
        return None
    if rounding is None and torch.compiler.is_compiling() and parts[-1].stride(0) != 0:
        # Only when compiling: the compiler packs the weight once and reuses it in every step.
        values = torch.cat(parts, dim=1)
        if gates.take_step(values, cell, layer.weight, layer.bias, drive):
            return gates.step(values, cell, layer.weight, layer.bias, drive)
    if not gates.take_gates(layer.out_features, cell, *parts, *driven):
        return None
    inner = linear(layer, *parts, rounding=rounding)
    return gates.lstm(inner if drive is None else inner + drive, cell)


def unroll(
    layer: nn.Linear, hidden: Tensor, cell: Tensor, inputs: Tensor
) -> tuple[Tensor, Tensor] | None:
    """All steps of an LSTM whose inputs [T, B, I] are known, without gradients.

    Returns:
        The hidden states after each step, [B, T, U], and the last cell, [B, U]; None, if the
        steps have to be taken one by one.
    """
    if torch.is_grad_enabled() or not _is_plain(layer):
        return None
    if not gates.take_steps(inputs, hidden, cell, layer.weight, layer.bias):
        return None
    unrolled: tuple[Tensor, Tensor] = gates.unroll(inputs, hidden, cell, layer.weight, layer.bias)
    return unrolled


def linear(layer: nn.Module, *parts: Tensor, rounding: torch.dtype | None = None) -> Tensor:
    """A layer of parts [B, *] that are joined: `layer(torch.cat(parts, dim=1))`.

    A learned initial state is the same for all images (its stride is 0), and so is its product,
    which is then computed once.

    Arguments:
        layer: A linear layer of all parts.
        parts: [B, *] each.
        rounding: The type to which weight, bias and parts are rounded; None for no rounding.

    Returns:
        [B, *], in the layer's type.
    """
    if rounding is not None and _is_plain(layer):
        # The compiler rounds the weight once for all steps.
        values = torch.cat([part.to(rounding) for part in parts], dim=1)
        weight, bias = layer.weight.to(rounding), layer.bias.to(rounding)
        return nn.functional.linear(values, weight, bias).to(layer.weight.dtype)
    same = 0
    while same < len(parts) and parts[-1 - same].stride(0) == 0:
        same += 1
    learns = torch.is_grad_enabled() and not torch.compiler.is_compiling()
    # Eagerly, joining the gradients of the weight's two parts takes what their product saves.
    if not _is_plain(layer) or same in (0, len(parts)) or learns:
        joined: Tensor = layer(torch.cat(parts, dim=1))
        return joined
    each = torch.cat(parts[:-same], dim=1)
    shared = torch.cat([part[:1] for part in parts[-same:]], dim=1)
    of_each, of_shared = torch.split(layer.weight, [each.shape[1], shared.shape[1]], dim=1)
    return torch.addmm(nn.functional.linear(shared, of_shared, layer.bias), each, of_each.t())


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a layer is its weight and bias: not quantised, nor pruned, nor hooked."""
    return type(layer) is nn.Linear and layer.bias is not None and not hooked(layer)
