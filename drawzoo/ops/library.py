"""The library of kernels, and what makes operators of its functions."""

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
from torch.nn import Parameter

from drawzoo.ops import private
from drawzoo.ops.signatures import SIGNATURES, Windows, checked

__all__ = ["LANES", "Kernel", "available", "call", "switched_off", "takes"]

VERSION = 3
"""The version of the library, as in lstm.c, and of the operators: to be raised whenever the result
or the arguments of a kernel change."""

PROCESSOR = torch.backends.cpu.get_cpu_capability()
"""The widest vectors that torch uses on this processor, such as AVX2."""

WIDTHS = {"AVX512": 16, "AVX2": 8}
"""Numbers in a vector, for each kind of vector that a library is built for, the widest first."""


def _library() -> tuple[ctypes.CDLL | None, int]:
    """The library with the widest vectors that this processor has, if one was built, and the
    numbers in a vector.
    """
    if os.environ.get("DRAWZOO_KERNELS") == "0":
        return None, 8
    most = WIDTHS.get(PROCESSOR, 0)
    names = {f"_kernels_{name.lower()}": n for name, n in WIDTHS.items() if n <= most}
    # The last is `.so`, as `setup.py` names libraries; checkouts built before have another.
    suffixes = importlib.machinery.EXTENSION_SUFFIXES[::-1]
    for name, suffix in itertools.product([*names, "_kernels"], suffixes):
        path = Path(__file__).with_name(name + suffix)
        # The library needs OpenMP, which torch has loaded already, with torch's threads.
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(str(path))
            if hasattr(library, "drawzoo_version") and library.drawzoo_version() == VERSION:
                return checked(library), names.get(name, 8)
            warnings.warn(f"{path} is of another drawzoo; install drawzoo again", stacklevel=2)
    return None, 8


LIBRARY, LANES = _library()
"""The library, and the numbers in a vector, as in vectors.h: the least width of an image, and the
least number of an LSTM's units."""

SPACE = f"drawzoo_{VERSION}_{LANES}"
"""The operators' namespace: torch keeps compiled graphs, backward included, by operators' names."""

OPERATORS = torch.library.Library(SPACE, "DEF")  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Tensor operations do all the work in this process, as with `DRAWZOO_KERNELS=0`."""
    global LIBRARY
    library, LIBRARY = LIBRARY, None
    try:
        yield
    finally:
        LIBRARY = library


def available() -> bool:
    """Whether there is a library that is not switched off."""
    return LIBRARY is not None


def takes(*tensors: Tensor) -> bool:
    """Whether the kernels support these tensors in torch's present mode."""
    if LIBRARY is None or private.exporting():
        return False
    # Under `torch.func` tensors have no address, and forward-mode tangents would be lost.
    if not torch.compiler.is_compiling() and private.transformed():
        return False
    return all(t.dtype == torch.float32 and t.is_cpu for t in tensors)


def call(name: str, *arguments: Tensor | list[Tensor] | int | Windows | None) -> None:
    """Calls a kernel of the library with numbers, windows and tensors.

    Raises:
        TypeError: If the arguments do not have the kernel's signature.
    """
    # ctypes lets more arguments pass than a signature has.
    if len(arguments) != len(SIGNATURES[name]):
        raise TypeError(f"{name} takes {len(SIGNATURES[name])} arguments, not {len(arguments)}")
    try:
        getattr(LIBRARY, name)(torch.get_num_threads(), *arguments)
    except ctypes.ArgumentError as error:
        raise TypeError(f"{name}: {error}") from None


def _save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _refuse(ctx: Any, *gradients: Any) -> None:
    raise RuntimeError(
        "the kernels for the CPU have no second derivative; DRAWZOO_KERNELS=0 does without them"
    )


class Kernel:
    """A kernel as a function of tensors.

    Under tracing a kernel is an operator, one node of the graph. Otherwise `function` is called
    directly, because torch's dispatcher takes as long as a small kernel.

    Arguments:
        function: Calls the library; the operator has the function's name.
        fake: Gives results of the same shapes, without data.
        save: What to keep for the gradient, as `setup_context` of `torch.autograd.Function`.
        derive: The gradient, as `backward` of `torch.autograd.Function`. Without `derive`, asking
            for a gradient is an error.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        fake: Callable[..., Any],
        save: Callable[..., None] = _save_nothing,
        derive: Callable[..., Any] = _refuse,
    ) -> None:
        # `custom_op` checks every call, which takes as long as a small kernel. The gradient is
        # left to `_derived`, because registering it with the operator would take as long again.
        name = function.__name__.strip("_")
        schema = torch.library.infer_schema(function, mutates_args=())
        tags = (torch.Tag.pt2_compliant_tag,)
        OPERATORS.define(name + schema, tags=tags)  # type: ignore[no-untyped-call]
        OPERATORS.impl(name, function, "CPU")  # type: ignore[no-untyped-call]
        OPERATORS.impl(name, torch.library.fallthrough_kernel, "Autograd")  # type: ignore[no-untyped-call]
        self.operator = operator = getattr(getattr(torch.ops, SPACE), name).default
        torch.library.register_fake(operator, fake, lib=OPERATORS)

        # A function, since Dynamo refuses a method here.
        def compute(*arguments: Any) -> Any:
            first = arguments[0][0] if isinstance(arguments[0], list) else arguments[0]
            traced = torch.compiler.is_compiling() or type(first) not in (Tensor, Parameter)
            return (operator if traced else function)(*arguments)

        parts = {"forward": compute, "setup_context": save, "backward": derive}
        members = {key: staticmethod(part) for key, part in parts.items()}
        self._compute, self._derived = compute, type("Derived", (torch.autograd.Function,), members)

    def __call__(self, *arguments: Any) -> Any:
        """Calls the kernel; records a gradient if gradients are enabled."""
        if torch.is_grad_enabled():
            return self._derived.apply(*arguments)  # type: ignore[attr-defined]
        return self._compute(*arguments)
