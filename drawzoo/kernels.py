r"""Fused kernels for the CPU, in float32: the attention, and the LSTM's steps and products.

What `attention` and `recurrent` say in tensor operations, the C of `csrc` does in fewer passes over
the memory, the gradients too, and equal to about 10⁻⁷ of the largest value. The library is built
when drawzoo is installed, if there is a C compiler. Without it, with `DRAWZOO_KERNELS=0`, and for
whatever is not a plain float32 tensor on the CPU, the tensor operations do the work. Second
derivatives are theirs alone, and so are forward-mode ones, exported programs and the transforms of
`torch.func`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.machinery
import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

__all__ = [
    "lstm",
    "multiply_best",
    "read",
    "step",
    "switched_off",
    "take_gates",
    "take_step",
    "take_steps",
    "take_window",
    "unroll",
    "write",
]

ROOM = 1024
"""N times the longer side of an image, the side rounded up to whole vectors: as in attention.c."""

LANES = 8
"""Numbers in a vector, and the least width of an image or of an LSTM: as in vectors.h."""

DEEP = 400
"""Rows that are multiplied at once for a weight's gradient: of more the caches would be too small,
and the sums of fewer are hardly in registers before they leave them."""

VERSION = 3
"""Of the library, as in lstm.c, and of the operators: it goes up when what one computes or takes
changes."""

SPACE = f"drawzoo_{VERSION}"
"""The operators' namespace: torch keeps compiled graphs, backward included, by operators' names."""

OPERATORS = torch.library.Library(SPACE, "DEF")  # type: ignore[no-untyped-call]


PROCESSOR = torch.backends.cpu.get_cpu_capability()
"""The widest vectors that torch uses here, as AVX2."""


def _library() -> ctypes.CDLL | None:
    """The library for this processor that was built with this package, if there is one."""
    if os.environ.get("DRAWZOO_KERNELS") == "0":
        return None
    names = ["_kernels_avx2", "_kernels"] if PROCESSOR.startswith("AVX") else ["_kernels"]
    for name, suffix in itertools.product(names, importlib.machinery.EXTENSION_SUFFIXES):
        path = Path(__file__).with_name(name + suffix)
        # The OpenMP that it needs is in memory already: torch's, with torch's threads.
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(str(path))
            if hasattr(library, "drawzoo_version") and library.drawzoo_version() == VERSION:
                return library
            warnings.warn(f"{path} is of another drawzoo; install drawzoo again", stacklevel=2)
    return None


LIBRARY = _library()


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Everything in tensor operations, in this process, as with `DRAWZOO_KERNELS=0`."""
    global LIBRARY
    library, LIBRARY = LIBRARY, None
    try:
        yield
    finally:
        LIBRARY = library


def _takes(*tensors: Tensor) -> bool:
    # As `torch.compiler.is_exporting()`, which torch 2.11 says of all that it compiles.
    if LIBRARY is None or torch.compiler._is_exporting_flag:
        return False
    # Under `torch.func` tensors have no address, and forward-mode tangents would be lost.
    if not torch.compiler.is_compiling() and (
        torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    ):
        return False
    return all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)


def take_window(of: Tensor, size: int, height: int, width: int, *window: Tensor) -> bool:
    """Whether the kernels can read images, or write patches, `of` [B, …] through a window each."""
    fits = width >= LANES and size * -(-max(height, width) // LANES) * LANES <= ROOM
    return fits and all(part.shape == (len(of),) for part in window) and _takes(of, *window)


def take_gates(gates: Tensor, cell: Tensor) -> bool:
    """Whether the kernels can do the LSTM's pointwise half."""
    batch, units = cell.shape
    return units >= LANES and gates.shape == (batch, 4 * units) and _takes(gates, cell)


def multiply_best() -> bool:
    """Whether products of float32 matrices, where a weight is laid out once for many, are better
    than the library's.

    They are of vectors of eight: wider ones are the library's.
    """
    return LIBRARY is not None and PROCESSOR == "AVX2"


def take_steps(inputs: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Whether the kernels can take an LSTM through steps [T, B, I] better than the library can."""
    (_, batch, size), units = inputs.shape, cell.shape[-1]
    fits = hidden.shape == cell.shape == (batch, units) and bias.shape == (4 * units,)
    fits = fits and weight.shape == (4 * units, size + units) and units % LANES == 0
    return fits and multiply_best() and _takes(inputs, hidden, cell, weight, bias)


def take_step(
    values: Tensor, cell: Tensor, weight: Tensor, bias: Tensor, drive: Tensor | None
) -> bool:
    """Whether the kernels can take one of many steps, if compiled, likewise."""
    (batch, units), tensors = cell.shape, [values, cell, weight, bias]
    fits = weight.shape == (4 * units, values.shape[1]) and bias.shape == (4 * units,)
    fits = fits and len(values) == batch and units % LANES == 0
    if drive is not None:
        fits = fits and drive.shape == (batch, 4 * units)
        tensors.append(drive)
    return fits and multiply_best() and _takes(*tensors)


class _Windows(ctypes.Structure):
    """`struct windows` of attention.c."""

    _fields_ = (
        ("size", ctypes.c_int),
        *(
            field
            for name in ("gx", "gy", "stride", "variance")
            for field in ((name, ctypes.c_void_p), (f"{name}_step", ctypes.c_int))
        ),
    )


def _windows(size: int, *parts: Tensor) -> _Windows:
    columns = ((part.data_ptr(), part.stride(0)) for part in parts)
    return _Windows(size, *itertools.chain.from_iterable(columns))


def _call(name: str, *arguments: Tensor | list[Tensor] | int | _Windows | None) -> None:
    """Calls a kernel with numbers, with windows and with the addresses of contiguous tensors."""
    getattr(LIBRARY, name)(torch.get_num_threads(), *map(_argument, arguments))


def _argument(argument: Tensor | list[Tensor] | int | _Windows | None) -> Any:
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, list):
        return (ctypes.c_void_p * len(argument))(*[tensor.data_ptr() for tensor in argument])
    return argument


def _save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _refuse(ctx: Any, *gradients: Any) -> None:
    raise RuntimeError(
        "the kernels for the CPU have no second derivative; DRAWZOO_KERNELS=0 does without them"
    )


class Kernel:
    """A kernel as a function of tensors.

    Where torch traces, it is an operator, one node of a graph. Otherwise its function is called
    without torch's dispatcher in between, which takes as long as a small kernel.

    Arguments:
        function: Calls the library; its name is the operator's.
        fake: The same without data.
        save: What to keep for the gradient, as `torch.library.register_autograd` has it.
        derive: The gradient, likewise; without one, asking for it is an error.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        fake: Callable[..., Any],
        save: Callable[..., None] = _save_nothing,
        derive: Callable[..., Any] = _refuse,
    ) -> None:
        # Not by `custom_op`, whose checks at every call take as long as a small kernel.
        name = function.__name__.strip("_")
        schema = torch.library.infer_schema(function, mutates_args=())
        tags = (torch.Tag.pt2_compliant_tag,)
        OPERATORS.define(name + schema, tags=tags)  # type: ignore[no-untyped-call]
        OPERATORS.impl(name, function, "CPU")  # type: ignore[no-untyped-call]
        self.operator = getattr(getattr(torch.ops, SPACE), name).default
        torch.library.register_fake(self.operator, fake, lib=OPERATORS)
        torch.library.register_autograd(self.operator, derive, setup_context=save, lib=OPERATORS)
        parts = {"forward": function, "setup_context": save, "backward": derive}
        members = {key: staticmethod(part) for key, part in parts.items()}
        direct = type("Direct", (torch.autograd.Function,), members)
        self._function, self._derived = function, direct.apply  # type: ignore[attr-defined]

    def __call__(self, *arguments: Any) -> Any:
        first = arguments[0][0] if isinstance(arguments[0], list) else arguments[0]
        if torch.compiler.is_compiling() or type(first) not in (Tensor, Parameter):
            return self.operator(*arguments)
        call = self._derived if torch.is_grad_enabled() else self._function
        return call(*arguments)


# Attention


def _read(
    image: Tensor, size: int, gx: Tensor, gy: Tensor, stride: Tensor, variance: Tensor
) -> Tensor:
    r"""The patches \(F_Y\, x\, F_X^⊤\) of eq. 27, without their intensity.

    Arguments:
        image: [B, C, H, W].
        size: N.
        gx: Horizontal centres, [B].
        gy: Vertical centres, [B].
        stride: δ, [B].
        variance: σ², [B].

    Returns:
        [B, C, N, N].
    """
    image, window = image.contiguous(), _windows(size, gx, gy, stride, variance)
    patch = _patch(image, size)
    _call("drawzoo_read", *image.shape, window, image, patch)
    return patch


def _write(
    patch: Tensor,
    height: int,
    width: int,
    steps: int,
    gx: Tensor,
    gy: Tensor,
    stride: Tensor,
    variance: Tensor,
) -> Tensor:
    r"""The canvases \(\sum_t F_Y^⊤\, w\, F_X\) of eq. 29, without the intensity.

    Arguments:
        patch: [B · T, C, N, N].
        height: H, in pixels.
        width: W, in pixels.
        steps: T.
        gx: Horizontal centres, [B · T].
        gy: Vertical centres, [B · T].
        stride: δ, [B · T].
        variance: σ², [B · T].

    Returns:
        [B, C, H, W].
    """
    patch, window = patch.contiguous(), _windows(patch.shape[-1], gx, gy, stride, variance)
    image = _canvas(patch, height, width, steps)
    _call("drawzoo_write", *image.shape, window, patch, image, steps)
    return image


def _gradient(
    image: Tensor,
    patch: Tensor,
    of_image: bool,
    of_patch: bool,
    gx: Tensor,
    gy: Tensor,
    stride: Tensor,
    variance: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The gradients of \(\sum w ⋅ F_Y\, x\, F_X^⊤\) in x, w, and g_X, g_Y, δ and σ² [4, B].

    Reading and writing are adjoint, so that both have this one: of a read, w is the gradient that
    comes in; of a write, x is. Those that are not asked for are empty.
    """
    image, patch = image.contiguous(), patch.contiguous()
    window = _windows(patch.shape[-1], gx, gy, stride, variance)
    results: tuple[Tensor, Tensor, Tensor] = _gradients(image, patch, of_image, of_patch)
    _call("drawzoo_gradient", *image.shape, window, image, patch, *results)
    return results


def _gradients(
    image: Tensor, patch: Tensor, of_image: bool, of_patch: bool, *window: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        image.new_empty(image.shape if of_image else 0),
        patch.new_empty(patch.shape if of_patch else 0),
        patch.new_empty(4, patch.shape[0]),
    )


def _patch(image: Tensor, size: int, *window: Tensor) -> Tensor:
    return image.new_empty(*image.shape[:2], size, size)


def _canvas(patch: Tensor, height: int, width: int, steps: int, *window: Tensor) -> Tensor:
    return patch.new_empty(patch.shape[0] // steps, patch.shape[1], height, width)


def _save_read(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, _, *window = inputs
    ctx.save_for_backward(image, *window)


def _read_backward(ctx: Any, d_patch: Tensor) -> tuple[Tensor | None, ...]:
    image, *window = ctx.saved_tensors
    wanted = ctx.needs_input_grad[0]
    d_image, _, d_window = gradient(image, d_patch, wanted, False, *window)
    return d_image if wanted else None, None, *d_window.unbind()


def _save_write(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    patch, _, _, ctx.steps, *window = inputs
    ctx.save_for_backward(patch, *window)


def _write_backward(ctx: Any, d_image: Tensor) -> tuple[Tensor | None, ...]:
    patch, *window = ctx.saved_tensors
    if ctx.steps > 1:
        d_image = d_image.repeat_interleave(ctx.steps, dim=0)
    _, d_patch, d_window = gradient(d_image, patch, False, True, *window)
    return d_patch, None, None, None, *d_window.unbind()


gradient = Kernel(_gradient, _gradients)
read = Kernel(_read, _patch, _save_read, _read_backward)
write = Kernel(_write, _canvas, _save_write, _write_backward)


# Products of matrices


def _lay_out(matrix: Tensor) -> Tensor:
    """A matrix [K, N] as products with it read it, in panels of eight columns."""
    laid = _laid(matrix)
    _call("drawzoo_lay_out", *matrix.shape, *matrix.stride(), matrix, laid)
    return laid


def _laid(matrix: Tensor) -> Tensor:
    length, columns = matrix.shape
    return matrix.new_empty(-(-columns // LANES), length, LANES)


def _weight_gradient(outer: list[Tensor], inner: list[Tensor]) -> tuple[Tensor, Tensor]:
    r"""The gradients of a linear layer's weight and bias, of several uses in one.

    Arguments:
        outer: The gradients in what came out each time, [B, N].
        inner: What went in each time, [B, K].

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
    _call("drawzoo_weight_gradient", *sizes, outer, inner, laid, weight, bias)
    return weight, bias


def _weight_gradients(outer: list[Tensor], inner: list[Tensor]) -> tuple[Tensor, Tensor]:
    rows = outer[0].shape[1]
    return outer[0].new_empty(rows, inner[0].shape[1]), outer[0].new_empty(rows)


weight_gradient = Kernel(_weight_gradient, _weight_gradients)
lay_out = Kernel(_lay_out, _laid)
# LSTM


def _lstm(gates: Tensor, cell: Tensor, learns: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden state and cell, and the active gates for the gradient if one `learns`."""
    gates, cell = gates.contiguous(), cell.contiguous()
    hidden, following, active = _states(gates, cell, learns)
    _call("drawzoo_lstm", *cell.shape, gates, cell, active, following, hidden)
    return hidden, following, active


def _lstm_gradient(
    active: Tensor, cell: Tensor, following: Tensor, d_hidden: Tensor, d_following: Tensor
) -> tuple[Tensor, Tensor]:
    tensors = [t.contiguous() for t in (active, cell, following, d_hidden, d_following)]
    d_gates, d_cell = _lstm_gradients(*tensors)
    _call("drawzoo_lstm_gradient", *cell.shape, *tensors, d_gates, d_cell)
    return d_gates, d_cell


def _states(gates: Tensor, cell: Tensor, learns: bool) -> tuple[Tensor, Tensor, Tensor]:
    hidden, following = cell.new_empty(cell.shape), cell.new_empty(cell.shape)
    return hidden, following, gates.new_empty(gates.shape if learns else 0)


def _lstm_gradients(active: Tensor, cell: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    return active.new_empty(active.shape), cell.new_empty(cell.shape)


def _save_lstm(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, following, active = output
    ctx.save_for_backward(active, inputs[1], following)
    # Nobody has a gradient for the active gates, nor for the last cell.
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
    """As `_lstm`, from the weight, which the gradient needs, and the same laid out."""
    tensors = [None if t is None else t.contiguous() for t in (values, laid, bias, drive, cell)]
    hidden, following, active = _stepped(values, cell, weight, bias, drive, laid, learns)
    kept = active if learns else None
    _call("drawzoo_step", *cell.shape, values.shape[1], *tensors, kept, following, hidden)
    return hidden, following, active


def _stepped(
    values: Tensor,
    cell: Tensor,
    weight: Tensor,
    bias: Tensor,
    drive: Tensor | None,
    laid: Tensor,
    learns: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    hidden, following = cell.new_empty(cell.shape), cell.new_empty(cell.shape)
    return hidden, following, cell.new_empty(cell.shape[0] if learns else 0, 4 * cell.shape[1])


def _step_gradient(
    active: Tensor,
    cell: Tensor,
    following: Tensor,
    d_hidden: Tensor,
    d_following: Tensor,
    laid: Tensor,
    columns: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `_lstm_gradient`, and that of the values [B, K], of a weight [4 U, K] that is laid out."""
    tensors = [t.contiguous() for t in (active, cell, following, d_hidden, d_following, laid)]
    results = _step_gradients(*tensors, columns)
    _call("drawzoo_step_gradient", *cell.shape, columns, *tensors, *results)
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
    values, weight, *states = ctx.saved_tensors
    states += _gradients_of_state(states[1], d_hidden, d_following)
    d_gates, d_cell, d_values = step_gradient(*states, lay_out(weight), weight.shape[1])
    d_weight, d_bias = weight_gradient([d_gates], [values])
    d_drive = d_gates if ctx.driven else None
    return d_values, d_cell, d_weight, d_bias, d_drive, None, None


step_gradient = Kernel(_step_gradient, _step_gradients)
stepped = Kernel(_step, _stepped, _save_step, _step_backward)


def step(
    values: Tensor, cell: Tensor, weight: Tensor, bias: Tensor, drive: Tensor | None
) -> tuple[Tensor, Tensor]:
    """As `lstm`, of the gates values [B, K] weightᵀ + bias + drive.

    The weight [4 U, K] is laid out for it, which takes a tenth of the time of a product with 100
    rows. A compiler that finds the same weight in many steps has it laid out once.
    """
    laid, learns = lay_out(weight.detach().t()), torch.is_grad_enabled()
    hidden, following, _ = stepped(values, cell, weight, bias, drive, laid, learns)
    return hidden, following


def _unroll(
    inputs: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """All steps of an LSTM, without gradients.

    Arguments:
        inputs: Of all steps, [T, B, I].
        hidden: The state before the first, [B, U]; one that is expanded is multiplied once.
        cell: The cell before the first, [B, U].
        weight: Of inputs and hidden state, for the gates i, f, g, o, [4 U, I + U].
        bias: [4 U].

    Returns:
        The hidden states after each step [B, T, U], and the last cell [B, U].
    """
    inputs, bias = inputs.contiguous(), bias.contiguous()
    if hidden.stride() != (0, 1):
        hidden = hidden.contiguous()
    (steps, batch, size), units = inputs.shape, cell.shape[1]
    laid = _lay_out(weight.t())
    states, last = _unrolled(inputs, hidden, cell)
    last.copy_(cell)
    joined = inputs.new_empty(2, batch, size + units)
    sizes = (batch, steps, size, units, hidden.stride(0))
    _call("drawzoo_unroll", *sizes, inputs, hidden, laid, bias, last, joined, states)
    return states, last


def _unrolled(
    inputs: Tensor, hidden: Tensor, cell: Tensor, *parameters: Tensor
) -> tuple[Tensor, Tensor]:
    steps, batch, _ = inputs.shape
    return cell.new_empty(batch, steps, cell.shape[1]), cell.new_empty(cell.shape)


unroll = Kernel(_unroll, _unrolled)
