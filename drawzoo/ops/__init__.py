r"""Fused kernels for the CPU, in float32: the attention, and the LSTM's steps and products.

The C in `csrc` computes what `engine.attention` and `engine.lstm` say in tensor operations, and the
gradients, in fewer passes over the memory; results agree to about 10⁻⁷ of the largest value. The
library is built when drawzoo is installed, if there is a C compiler. Tensor operations do the work
without the library, with `DRAWZOO_KERNELS=0`, for tensors that are not float32 on the CPU, for
second and forward-mode derivatives, in exported programs and under the transforms of `torch.func`.
"""

from __future__ import annotations

from drawzoo.ops.filterbank import read, take_window, write
from drawzoo.ops.library import available, switched_off
from drawzoo.ops.products import weight_gradient
from drawzoo.ops.recurrence import linear, lstm, unroll
from drawzoo.ops.routes import (
    Library,
    by,
    fastest,
    libraries,
    multiply_best,
    processor,
    route,
)

__all__ = [
    "Library",
    "available",
    "by",
    "fastest",
    "libraries",
    "linear",
    "lstm",
    "multiply_best",
    "processor",
    "read",
    "route",
    "switched_off",
    "take_window",
    "unroll",
    "weight_gradient",
    "write",
]
