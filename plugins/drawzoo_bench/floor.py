"""The floor: a model's matrix products alone.

What any implementation of the same arithmetic has to do are the products of its linear layers,
forward and backward, and those of an optimiser such as Muon. They are recorded from one eager run
of the work itself (all `mm` and `addmm` that it issues, and `bmm` and `baddbmm` of large matrices,
with their shapes, layouts and types; a weight's gradient over all steps at once where the engine
computes it so) and then done again alone, in the same order, on operands that are there already.
Products of batches of tiny matrices, as of the attention's filters, and convolutions are not part
of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from drawzoo.commands import ops

__all__ = ["Product", "floor", "gigaflop", "products"]


class Layout(NamedTuple):
    """All of a matrix but its values."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


class Product(NamedTuple):
    """A product of two matrices, or of two batches of matrices."""

    left: Layout
    right: Layout


LARGE = 64
"""Rows and columns that matrices in batches have at least to be counted."""


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            self.products.append(Product(*(_layout(matrix) for matrix in args[-2:])))
        elif func in (torch.ops.aten.bmm.default, torch.ops.aten.baddbmm.default):
            if min(*args[-2].shape[1:], args[-1].shape[2]) >= LARGE:
                self.products.append(Product(*(_layout(matrix) for matrix in args[-2:])))
        elif func is torch.ops.aten.linear.default:  # as it is seen in inference mode
            self.products.append(Product(_layout(args[0]), _layout(args[1].mT)))
        return func(*args, **(kwargs or {}))


def _layout(matrix: Tensor) -> Layout:
    return Layout(tuple(matrix.size()), matrix.stride(), matrix.dtype, matrix.device)


def products(work: Callable[[], object]) -> list[Product]:
    """The matrix products that `work` does, in their order.

    Example:
        >>> [product] = products(lambda: torch.zeros(2, 3) @ torch.zeros(3, 4))
        >>> product.left.size, product.right.size
        ((2, 3), (3, 4))
    """
    recorder = _Recorder()
    # Kernels that do products themselves would hide them.
    with ops.switched_off(), recorder:
        work()
    return recorder.products


def gigaflop(recorded: list[Product]) -> float:
    """Their multiplications and additions, in 10⁹."""
    return sum(2 * math.prod(p.left.size) * p.right.size[-1] for p in recorded) / 1e9


def floor(recorded: list[Product], library: ops.Library = "default") -> Callable[[], None]:
    """Work that does these products and nothing else, by one of `ops.libraries()`.

    Operands of one layout are the same tensor where they are on the same side, as weights are;
    none are allocated when it runs.
    """
    operands: dict[Any, Tensor] = {}

    def operand(side: str, layout: Layout) -> Tensor:
        if (side, layout) not in operands:
            span = 1 + sum((n - 1) * s for n, s in zip(layout.size, layout.stride, strict=True))
            values = torch.randn(span, dtype=layout.dtype, device=layout.device)
            operands[side, layout] = values.as_strided(layout.size, layout.stride)
        return operands[side, layout]

    prepared = []
    for left, right in recorded:
        *batch, rows, columns = (*left.size[:-1], right.size[-1])
        strides = (*(rows * columns for _ in batch), columns, 1)
        out = Layout((*batch, rows, columns), strides, left.dtype, left.device)
        multiply = torch.bmm if batch else torch.mm
        prepared.append((multiply, operand("l", left), operand("r", right), operand("o", out)))

    def work() -> None:
        with ops.by(library):
            for multiply, left, right, out in prepared:
                multiply(left, right, out=out)

    return work
