"""Products of matrices, for weights that are multiplied many times."""

from __future__ import annotations

from torch import Tensor

from drawzoo.ops.library import LANES, Kernel, call

__all__ = ["lay_out", "weight_gradient"]

DEEP = 400
"""Rows that are multiplied at once for a weight's gradient: more rows exceed the caches, and with
fewer rows the sums are stored too often."""


def _lay_out(matrix: Tensor) -> Tensor:
    """A matrix [K, N] in the layout that the products read: panels of `LANES` columns."""
    laid = _laid(matrix)
    call("drawzoo_lay_out", *matrix.shape, *matrix.stride(), matrix, laid)
    return laid


def _laid(matrix: Tensor) -> Tensor:
    length, columns = matrix.shape
    return matrix.new_empty(-(-columns // LANES), length, LANES)


def _weight_gradient(outer: list[Tensor], inner: list[Tensor]) -> tuple[Tensor, Tensor]:
    r"""The gradients of a linear layer's weight and bias, summed over several uses.

    Arguments:
        outer: The gradient of each use's output, [B, N].
        inner: The input of each use, [B, K].

    Returns:
        \(\sum_t d_t^⊤ x_t\) [N, K], and the sum of all rows of d [N].
    """
    outer, inner = [t.contiguous() for t in outer], [t.contiguous() for t in inner]
    weight, bias = _weight_gradients(outer, inner)
    (batch, rows), columns = outer[0].shape, inner[0].shape[1]
    pairs = min(len(outer), max(1, DEEP // max(1, batch)))
    panels = -(-rows // LANES) - (-columns // LANES)
    laid = weight.new_empty(pairs * batch * panels * LANES)
    sizes = (len(outer), pairs, batch, rows, columns)
    call("drawzoo_weight_gradient", *sizes, outer, inner, laid, weight, bias)
    return weight, bias


def _weight_gradients(outer: list[Tensor], inner: list[Tensor]) -> tuple[Tensor, Tensor]:
    rows = outer[0].shape[1]
    return outer[0].new_empty(rows, inner[0].shape[1]), outer[0].new_empty(rows)


weight_gradient = Kernel(_weight_gradient, _weight_gradients)
lay_out = Kernel(_lay_out, _laid)
