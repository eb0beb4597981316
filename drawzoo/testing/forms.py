"""The form of what a component gives, and that it changes nothing that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drawzoo.engine.components import Shape, Window
from drawzoo.engine.latent import Gaussian
from drawzoo.ops.private import leaves, map_tensors
from drawzoo.testing.fault import Fault

__all__ = [
    "batch_first",
    "check_gaussian",
    "check_shape",
    "check_state",
    "check_window",
    "same",
    "two",
    "unchanged",
]


def unchanged(who: str, method: str, call: Callable[[], Any], given: dict[str, Any]) -> Any:
    """What `call` gives; what it was given must stay as it was."""
    before = {what: map_tensors(torch.clone, t) for what, t in given.items()}
    result = call()
    for what, old in before.items():
        pairs = zip(leaves(old), leaves(given[what]), strict=True)
        if any(isinstance(a, Tensor) and not same(a, b) for a, b in pairs):
            raise Fault(
                who,
                f"changes {what} in place",
                f"{what} has other values after {method}",
                "compute new tensors: no method whose name ends in _, no x[…] = …, no x += …",
            )
    return result


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same values, NaN included."""
    return a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())


def two(who: str, result: Any, what: str) -> tuple[Any, Any]:
    """The two things that `forward` gives."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise Fault(
            who,
            f"does not give two things, {what}",
            f"forward gives a {type(result).__name__}",
            f"return a pair: {what}",
        )
    if not isinstance(result[0], Tensor):
        raise Fault(
            who, "gives no tensor", f"a {type(result[0]).__name__}", "return a tensor [B, …]"
        )
    return result


def batch_first(who: str, what: str, tree: Any, like: Tensor) -> None:
    """Every tensor of a tree is [B, …], of the inputs' type if it is of floats."""
    for tensor in leaves(tree):
        if not isinstance(tensor, Tensor):
            if tensor is None:
                continue
            raise Fault(
                who,
                f"gives something else than tensors: {what}",
                f"a {type(tensor).__name__}",
                "give tensors, [B, …] each",
            )
        if tensor.dim() == 0 or len(tensor) != len(like):
            raise Fault(
                who,
                f"does not put the batch first: {what}",
                f"shape {list(tensor.shape)} for {len(like)} images",
                "give tensors of shape [B, …]: the engine repeats and splits them along the batch",
            )
        if tensor.is_floating_point() and tensor.dtype != like.dtype:
            raise Fault(
                who,
                f"does not keep {_word(like)} throughout: {what}",
                f"a tensor of {_word(tensor)} from inputs of {_word(like)}",
                "make tensors from others (x.new_zeros(…)), or name dtype=x.dtype",
            )


def _word(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def check_state(who: str, method: str, state: Any, like: Tensor) -> None:
    """A state is a tuple of tensors, the batch first."""
    if not (isinstance(state, tuple) and all(isinstance(part, Tensor) for part in state)):
        raise Fault(
            who,
            "has a state that is no tuple of tensors",
            f"{method} gives a {type(state).__name__}",
            "return a tuple: (h,) for one tensor, () for none",
        )
    batch_first(who, f"the state that {method} gives", state, like)


def check_window(who: str, window: Any, like: Tensor) -> None:
    """A window is None or a `Window` of one number for each image."""
    if window is None:
        return
    if not isinstance(window, Window):
        raise Fault(
            who,
            "gives a window that is no drawzoo.Window",
            f"a {type(window).__name__}",
            "return a drawzoo.Window, or None if there is no single window",
        )
    for field, value in zip(window._fields[:5], window[:5], strict=True):
        if not isinstance(value, Tensor) or value.shape != like.shape[:1]:
            raise Fault(
                who,
                f"gives a window whose {field} is not one number for each image",
                f"{list(value.shape) if isinstance(value, Tensor) else type(value).__name__}, "
                f"expected [{len(like)}]",
                "give tensors of shape [B]",
            )


def check_gaussian(who: str, method: str, given: Any, shape: Shape, like: Tensor) -> None:
    """A `Gaussian` over codes of this shape."""
    if type(given) is not Gaussian:
        raise Fault(
            who,
            f"gives no drawzoo.Gaussian: {method}",
            f"a {type(given).__name__}",
            "return drawzoo.Gaussian(mean, log_std) itself: the engine computes the KL",
        )
    for field, value in zip(("mean", "log_std"), given, strict=True):
        if not isinstance(value, Tensor):
            raise Fault(
                who,
                f"gives something else than tensors: the {field} of {method}",
                f"a {type(value).__name__}",
                "give tensors, [B, …] each",
            )
        check_shape(who, f"the {field} of {method}", value, (len(like), *shape), like)


def check_shape(who: str, what: str, given: Any, shape: Shape, like: Tensor) -> None:
    """A tensor of this shape, of the inputs' type."""
    if not isinstance(given, Tensor):
        raise Fault(who, f"gives no tensor: {what}", f"a {type(given).__name__}", "return a tensor")
    if given.shape != shape:
        raise Fault(
            who,
            f"gives the shape {list(given.shape)}, expected {list(shape)}: {what}",
            f"{len(like)} images",
            "put the batch first; height comes before width",
        )
    batch_first(who, what, given, like)
