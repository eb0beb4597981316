"""What the kit must know of each kind of component: its inputs, its outputs, and how it is called.

A kind of component that the engine gains needs one more class here, and a line in `__init__`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils import _pytree

from drawzoo.components import Component, Encoder, Reader, Sizes, Window, Writer, out_shape
from drawzoo.testing.fault import Fault

__all__ = ["BATCH", "ENCODER", "KINDS", "READER", "WRITER", "Inputs", "Kind"]

BATCH = 3
DECODER = 6
GLIMPSE = 4

Inputs = dict[str, Tensor]
"""The tensors that a call is given by name, each [B, …]."""


class Kind:
    """One kind of component."""

    name: ClassVar[str]
    base: ClassVar[type[Component]]
    sized: ClassVar[dict[str, str]]
    """Input → the field of `Sizes` that says how long it is. A component whose tensors depend on
    that field must use the input."""

    def sizes(self, image: tuple[int, int, int]) -> Sizes:
        """The sizes that the kit builds a component for."""
        return Sizes(image=image, decoder_shape=(DECODER,), glimpse_shape=(GLIMPSE,))

    def inputs(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        """Random inputs, float32."""
        raise NotImplementedError

    def shape(self, component: Any, sizes: Sizes) -> tuple[int, ...]:
        """The shape of the output, without the batch."""
        return out_shape(component) or (getattr(component, "out_features", None),)  # type: ignore[return-value]

    def run(self, component: Any, inputs: Inputs) -> Tensor:
        """The output; nothing is checked here, as it is compiled, too."""
        raise NotImplementedError

    def inspect(self, component: Any, inputs: Inputs, who: str) -> None:
        """Checks the form of all that the component gives, and that it changes nothing."""
        raise NotImplementedError

    def extra(self, component: Any, inputs: Inputs, who: str) -> Tensor | None:
        """What is added to the loss, [B]."""
        return None

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        """What the output lacks, if it depends on too little."""
        raise NotImplementedError


class _EncoderKind(Kind):
    name, base = "encoder", Encoder
    sized = {"glimpse": "glimpse_shape", "h_dec": "decoder_shape"}  # noqa: RUF012
    steps = 2

    def inputs(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        return {
            "x": torch.rand(BATCH, *sizes.image, generator=generator),
            "glimpse": torch.randn(BATCH, *sizes.glimpse_shape, generator=generator),
            "h_dec": torch.randn(BATCH, *sizes.decoder_shape, generator=generator),
        }

    def run(self, component: Encoder, inputs: Inputs) -> Tensor:
        context = component.prepare(inputs["x"])
        state = component.initial_state(len(inputs["x"]))
        for _ in range(self.steps):
            h, state = component(inputs["glimpse"], inputs["h_dec"], state, context)
        features: Tensor = h
        return features

    def inspect(self, component: Encoder, inputs: Inputs, who: str) -> None:
        x, glimpse, h_dec = inputs["x"], inputs["glimpse"], inputs["h_dec"]
        context = unchanged(who, "prepare", lambda: component.prepare(x), inputs)
        batch_first(who, "the context that prepare gives", context, x)
        state = component.initial_state(len(x))
        _check_state(who, "initial_state", state, x)
        for step in range(self.steps):
            before = {**inputs, "its state": state, "its context": context}
            pair = unchanged(
                who, "forward", partial(component, glimpse, h_dec, state, context), before
            )
            _, state = two(who, pair, "h_enc and the next state")
            _check_state(who, f"forward, at step {step + 1},", state, x)

    def extra(self, component: Encoder, inputs: Inputs, who: str) -> Tensor | None:
        if not component.needs_labels:
            return None
        context = component.prepare(inputs["x"])
        loss = component.auxiliary_loss(context, torch.arange(BATCH) % 2)
        if loss.shape != (BATCH,):
            raise Fault(
                who,
                "has an auxiliary_loss that is not one number for each image",
                f"shape {list(loss.shape)} for {BATCH} images",
                'give [B]: the functions of torch take reduction="none"',
            )
        return loss

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        if depends("glimpse") or depends("x"):
            return None
        return "ignores its glimpse, and with it the image"


class _ReaderKind(Kind):
    name, base = "reader", Reader
    sized = {"h_dec": "decoder_shape"}  # noqa: RUF012

    def inputs(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        x, guess = torch.rand(2, BATCH, *sizes.image, generator=generator)
        h_dec = torch.randn(BATCH, *sizes.decoder_shape, generator=generator)
        return {"x": x, "error": x - guess, "h_dec": h_dec}

    def run(self, component: Reader, inputs: Inputs) -> Tensor:
        glimpse: Tensor = component(inputs["x"], inputs["error"], inputs["h_dec"])[0]
        return glimpse

    def inspect(self, component: Reader, inputs: Inputs, who: str) -> None:
        pair = unchanged(who, "forward", lambda: component(*inputs.values()), inputs)
        _check_window(who, two(who, pair, "the glimpse and its window")[1], inputs["x"])

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        if depends("x") or depends("error"):
            return None
        return "ignores the image and the error image"


class _WriterKind(Kind):
    name, base = "writer", Writer
    sized: ClassVar[dict[str, str]] = {}

    def inputs(self, sizes: Sizes, generator: torch.Generator) -> Inputs:
        return {"h_dec": torch.randn(BATCH, *sizes.decoder_shape, generator=generator)}

    def shape(self, component: Writer, sizes: Sizes) -> tuple[int, ...]:
        return sizes.canvas

    def run(self, component: Writer, inputs: Inputs) -> Tensor:
        patch: Tensor = component(inputs["h_dec"])[0]
        return patch

    def inspect(self, component: Writer, inputs: Inputs, who: str) -> None:
        h_dec = inputs["h_dec"]
        pair = unchanged(who, "forward", lambda: component(h_dec), inputs)
        patch, window = two(who, pair, "what is written and its window")
        _check_window(who, window, h_dec)
        other = h_dec.flip(0)
        total = component.total(torch.stack([h_dec, other, other], dim=1))
        steps = patch + 2 * component(other)[0]
        if total.shape != steps.shape or not torch.allclose(total, steps, rtol=1e-3, atol=1e-4):
            raise Fault(
                who,
                "has a total that is not the sum of what it writes step by step",
                f"h_dec of 3 steps [{BATCH}, 3, {DECODER}] gives {list(total.shape)}, expected the "
                f"sum of three {list(patch.shape)}",
                "sum over all steps, each with its own window; or leave total out",
            )

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        return None if depends("h_dec") else "ignores h_dec"


def unchanged(who: str, method: str, call: Callable[[], Any], given: dict[str, Any]) -> Any:
    """What `call` gives; what it was given must stay as it was."""
    before = {what: _pytree.tree_map_only(Tensor, torch.clone, t) for what, t in given.items()}
    result = call()
    for what, old in before.items():
        pairs = zip(_pytree.tree_leaves(old), _pytree.tree_leaves(given[what]), strict=True)
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
    for tensor in _pytree.tree_leaves(tree):
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


def _check_state(who: str, method: str, state: Any, like: Tensor) -> None:
    if not (isinstance(state, tuple) and all(isinstance(part, Tensor) for part in state)):
        raise Fault(
            who,
            "has a state that is no tuple of tensors",
            f"{method} gives a {type(state).__name__}",
            "return a tuple: (h,) for one tensor, () for none",
        )
    batch_first(who, f"the state that {method} gives", state, like)


def _check_window(who: str, window: Any, like: Tensor) -> None:
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


ENCODER, READER, WRITER = _EncoderKind(), _ReaderKind(), _WriterKind()
KINDS: tuple[Kind, ...] = (READER, ENCODER, WRITER)
