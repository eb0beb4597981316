"""Inputs of the kernels, and what their results are compared with."""

import pytest
import torch

from drawzoo import ops
from drawzoo.engine.attention import Window
from drawzoo.ops.merging import merge_weight_gradients

SHAPES = [  # B, C, H, W, N
    (6, 2, 28, 28, 5),
    (3, 1, 9, 19, 4),
    (3, 3, 32, 32, 12),
    (6, 1, 28, 28, 2),
    (3, 2, 16, 16, 1),
    (3, 1, 40, 17, 7),
    (3, 1, 5, 33, 11),
]


needed = pytest.mark.skipif(not ops.available(), reason="built without a C compiler")


wide = pytest.mark.skipif(not ops.multiply_best(), reason="products are the library's here")


def plainly(function):
    with ops.switched_off():
        return function()


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape)))


def windows(batch, height, width, size):
    """On the canvas and beyond, sharp and blurred."""
    generator = torch.Generator().manual_seed(batch + size)

    def rand():
        return torch.rand(batch, generator=generator)

    return Window(
        gx=1.4 * width * rand() - 3,
        gy=1.4 * height * rand() - 3,
        stride=4 * rand() + 0.1,
        variance=torch.exp(6 * rand() - 3),
        intensity=rand() + 0.5,
        size=size,
    )


def of(window, dtype):
    """A copy whose parts can have gradients."""
    return Window(
        *(part.detach().to(dtype, copy=True).requires_grad_() for part in window[:5]), window.size
    )


def merged(function):
    """Compiled as in training, but for the code that inductor makes in the end."""
    # Imported here: the compiler takes seconds, of each process that collects the tests.
    from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
    from torch._dynamo.backends.common import aot_autograd
    from torch._inductor.decomposition import select_decomp_table
    from torch._inductor.fx_passes.joint_graph import joint_graph_passes

    def backward(graph, inputs):
        joint_graph_passes(graph)  # as inductor, which transposes nothing twice
        merge_weight_gradients(graph.graph)
        graph.graph.lint()
        graph.recompile()
        return make_boxed_func(graph)

    backend = aot_autograd(
        fw_compiler=lambda graph, inputs: make_boxed_func(graph),
        bw_compiler=backward,
        partition_fn=min_cut_rematerialization_partition,
        decompositions=select_decomp_table(),
    )
    return torch.compile(function, backend=backend)


def whole_lstm(gates, cell):
    i, f, g, o = gates.chunk(4, dim=1)
    c = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def close(actual, expected):
    """To float32's precision, relative to the largest."""
    scale = expected.abs().max().clamp_min(1e-3)
    torch.testing.assert_close(actual.double() / scale, expected / scale, rtol=0, atol=2e-5)


def compared(function, tensor, window, weights):
    """Values and gradients in float32, by the kernels, and in float64, by tensor operations."""
    results = []
    for dtype in (torch.float32, torch.float64):
        look, leaf = of(window, dtype), tensor.to(dtype, copy=True).requires_grad_()
        value = function(leaf, look)
        (value * weights.to(dtype)).sum().backward()
        results.append([value.detach(), leaf.grad, *(part.grad for part in look[:5])])
    for actual, expected in zip(*results, strict=True):
        close(actual, expected)
