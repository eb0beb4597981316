"""Which way a product of matrices goes: the one place where it is chosen.

There are three routes: torch's default library, oneDNN, which torch carries too, and the kernels'
own products, which need a weight laid out and therefore many products with it. The choice is by
what the processor has, and by what was measured on processors of its kind; `docs/fast.md` has the
figures. No route drops the precision: all are float32.
"""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from drawzoo.ops import private
from drawzoo.ops.library import LANES, PROCESSOR, WIDTHS, available

__all__ = [
    "Library",
    "Processor",
    "Route",
    "by",
    "fastest",
    "libraries",
    "library",
    "multiply_best",
    "processor",
    "route",
]

Library = Literal["default", "oneDNN"]
Route = Literal["own", "default", "oneDNN"]


class Processor(NamedTuple):
    """A CPU, as Linux tells of it; empty elsewhere."""

    name: str
    vendor: str
    family: str
    model: str

    def __str__(self) -> str:
        which = f", family {self.family}, model {self.model}" if self.family else ""
        return f"{self.name}{which}, {PROCESSOR}"


@functools.cache
def processor() -> Processor:
    """The CPU of this machine."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    name = found.get("model name", platform.machine())
    return Processor(name, *(found.get(k, "") for k in ("vendor_id", "cpu family", "model")))


def multiply_best() -> bool:
    """Whether the kernels' float32 products are faster than torch's, if a weight is laid out once
    for many products: measured with vectors of 8 and of 16 numbers.
    """
    return available() and WIDTHS.get(PROCESSOR) == LANES


def libraries() -> tuple[Library, ...]:
    """The libraries that multiply in float32 here.

    oneDNN takes torch's products at the precision "medium". Where the processor has units for
    products of bfloat16, that is bfloat16.
    """
    if PROCESSOR in WIDTHS and not private.has_matrix_units():
        return "default", "oneDNN"
    return ("default",)


def library() -> Library:
    """The faster one of `libraries`.

    It is oneDNN on AMD's processors with AVX-512, by a factor of two. It is the default library
    everywhere else: on Intel's with matrix units it was measured, and oneDNN is no faster; others
    were not.
    """
    amd = processor().vendor == "AuthenticAMD"
    return "oneDNN" if amd and PROCESSOR == "AVX512" and "oneDNN" in libraries() else "default"


def route(*, repeated: bool) -> Route:
    """The route of an LSTM's products on the CPU.

    Arguments:
        repeated: Whether the same weight is known to be multiplied many times, as when the decoder
            draws, and in compiled training.
    """
    return "own" if repeated and multiply_best() else library()


@contextlib.contextmanager
def by(library: Library) -> Iterator[None]:
    """Inside, torch's float32 products on the CPU go by a library; a precision below stays."""
    if library == "default" or _precision() != "highest":
        yield
        return
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


def fastest(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Inside, torch's float32 products on the CPU go by the fastest library.

    On CUDA convolutions are as exact as products: torch's are in TF32 unless they are told not to.
    On other devices nothing changes.

    Example:
        >>> with fastest(torch.device("cpu")):
        ...     (torch.ones(2, 3) @ torch.ones(3, 1)).tolist()
        [[3.0], [3.0]]
        >>> torch.get_float32_matmul_precision()
        'highest'
    """
    if device.type == "cuda":
        return _convolutions_as_products()
    return by(library() if device.type == "cpu" else "default")


@contextlib.contextmanager
def _convolutions_as_products() -> Iterator[None]:
    cudnn, precision = torch.backends.cudnn, _precision()
    if precision is None:
        yield
        return
    before, cudnn.allow_tf32 = cudnn.allow_tf32, precision != "highest"
    try:
        yield
    finally:
        cudnn.allow_tf32 = before


def _precision() -> str | None:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # the caller has set precisions by torch's newer names
        return None
