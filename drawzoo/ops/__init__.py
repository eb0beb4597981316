r"""Fused kernels for the CPU, in float32: the attention, and the LSTM's steps and products.

What `engine.attention` and `engine.lstm` say in tensor operations, the C of `csrc` does in fewer
passes over the memory, the gradients too, and equal to about 10⁻⁷ of the largest value. The library
is built when drawzoo is installed, if there is a C compiler. Without it, with `DRAWZOO_KERNELS=0`,
and for whatever is not a plain float32 tensor on the CPU, the tensor operations do the work. Second
derivatives are theirs alone, and so are forward-mode ones, exported programs and the transforms of
`torch.func`.
"""

from __future__ import annotations

from drawzoo.ops.filterbank import read, take_window, write
from drawzoo.ops.library import available, multiply_best, switched_off
from drawzoo.ops.products import weight_gradient
from drawzoo.ops.recurrence import linear, lstm, unroll

__all__ = [
    "available",
    "linear",
    "lstm",
    "multiply_best",
    "read",
    "switched_off",
    "take_window",
    "unroll",
    "weight_gradient",
    "write",
]
