"""What each function of the library takes, as the sources in `csrc` say it.

C believes every call. A tensor of another type, on another device or with gaps, or one argument
too few, would be read as something else; so each argument is checked on its way.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

__all__ = ["SIGNATURES", "Windows", "checked"]


class Windows(ctypes.Structure):
    """`struct windows` of attention.c."""

    _fields_ = (
        ("size", ctypes.c_int),
        *(
            field
            for name in ("gx", "gy", "stride", "variance")
            for field in ((name, ctypes.c_void_p), (f"{name}_step", ctypes.c_int))
        ),
    )


class Strided:
    """`float *` whose steps are arguments of their own: float32 on the CPU."""

    @classmethod
    def from_param(cls, value: Any) -> ctypes.c_void_p:
        """The address of a tensor's first element."""
        if isinstance(value, Tensor) and value.dtype == torch.float32 and value.is_cpu:
            return ctypes.c_void_p(value.data_ptr())
        raise TypeError(f"a float32 tensor on the CPU is needed, not {_described(value)}")


class Floats(Strided):
    """`float *`: a contiguous tensor."""

    @classmethod
    def from_param(cls, value: Any) -> ctypes.c_void_p:
        """The address of a tensor without gaps."""
        address = Strided.from_param(value)
        if value.is_contiguous():
            return address
        raise TypeError(f"a contiguous tensor is needed, not strides {value.stride()}")


class Optional(Floats):
    """`float *` that may be NULL."""

    @classmethod
    def from_param(cls, value: Any) -> ctypes.c_void_p:
        """The address of a tensor, or NULL for None."""
        return ctypes.c_void_p() if value is None else Floats.from_param(value)


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} on {value.device}"
    return type(value).__name__


class Several:
    """`float *const *`: a list of tensors."""

    @classmethod
    def from_param(cls, value: Any) -> Any:
        """An array with the address of each."""
        if not isinstance(value, list):
            raise TypeError(f"a list of tensors is needed, not {type(value).__name__}")
        return (ctypes.c_void_p * len(value))(*[Floats.from_param(tensor) for tensor in value])


INT = ctypes.c_int
IMAGE = (INT, INT, INT, INT)
"""B, C, H, W."""

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "drawzoo_read": (*IMAGE, Windows, *[Floats] * 2),
    "drawzoo_write": (*IMAGE, Windows, *[Floats] * 2, INT),
    "drawzoo_gradient": (*IMAGE, Windows, *[Floats] * 5),
    "drawzoo_lstm": (INT, INT, *[Floats] * 5),
    "drawzoo_lstm_gradient": (INT, INT, *[Floats] * 7),
    "drawzoo_step": (*[INT] * 3, *[Floats] * 3, Optional, Floats, Optional, *[Floats] * 2),
    "drawzoo_step_gradient": (*[INT] * 3, *[Floats] * 9),
    "drawzoo_unroll": (*[INT] * 5, Floats, Strided, *[Floats] * 5),
    "drawzoo_lay_out": (*[INT] * 4, Strided, Floats),
    "drawzoo_weight_gradient": (*[INT] * 5, Several, Several, *[Floats] * 3),
}
"""The arguments of each function after the number of threads."""


def checked(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, its functions with their signatures."""
    for name, arguments in SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = (INT, *arguments), None
    return library
