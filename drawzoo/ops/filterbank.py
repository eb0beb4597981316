"""Reading and writing through a window."""

from __future__ import annotations

import itertools
from typing import Any

from torch import Tensor

from drawzoo.ops.library import LANES, Kernel, call, takes
from drawzoo.ops.signatures import Strided, Windows

__all__ = ["read", "take_window", "write"]

ROOM = 1024
"""The largest N · side, for the longer side of an image in whole vectors: as in attention.c."""


def take_window(of: Tensor, size: int, height: int, width: int, *window: Tensor) -> bool:
    """Whether the kernels support images, or patches to write, `of` [B, …], with a window each."""
    fits = width >= LANES and size * -(-max(height, width) // LANES) * LANES <= ROOM
    return fits and all(part.shape == of.shape[:1] for part in window) and takes(of, *window)


def _windows(size: int, *parts: Tensor) -> Windows:
    columns = ((Strided.from_param(part), part.stride(0)) for part in parts)
    return Windows(size, *itertools.chain.from_iterable(columns))


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
    call("drawzoo_read", *image.shape, window, image, patch)
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
    call("drawzoo_write", *image.shape, window, patch, image, steps)
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

    Reading and writing are adjoint, so one function serves both: the incoming gradient is w for a
    read, and x for a write. A gradient that is not asked for is empty.
    """
    image, patch = image.contiguous(), patch.contiguous()
    window = _windows(patch.shape[-1], gx, gy, stride, variance)
    results: tuple[Tensor, Tensor, Tensor] = _gradients(image, patch, of_image, of_patch)
    call("drawzoo_gradient", *image.shape, window, image, patch, *results)
    return results


def _gradients(
    image: Tensor, patch: Tensor, of_image: bool, of_patch: bool, *window: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        image.new_empty(*(image.shape if of_image else (0,))),
        patch.new_empty(*(patch.shape if of_patch else (0,))),
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
