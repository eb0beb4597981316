"""What the kit must know of each kind of component: its inputs, its outputs, and how it is called.

A kind of component that the engine gains needs one more class, and a line in `kit` and `__init__`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
import torch
from torch import Tensor

from drawzoo.engine.components import Component, Sizes, out_shape

__all__ = ["BATCH", "STEPS", "Inputs", "Kind", "at", "pictures"]

BATCH = 3
STEPS = 2
FEATURES = {"latent_shape": 5, "decoder_shape": 6, "glimpse_shape": 4, "encoder_shape": 7}
"""Features, or channels of maps."""

Inputs = dict[str, Tensor]
"""The tensors that a call is given by name, each [B, …]."""


def at(step: int, given: Tensor) -> Tensor:
    """What is given at a step: not the same at each, as to some no past is like another."""
    return given / (step + 1)


def pictures(sizes: Sizes, generator: torch.Generator) -> Tensor:
    """Random images, each of another brightness, as to some a batch is only a scale."""
    brightness = torch.linspace(1, 0.5, BATCH).view(-1, 1, 1, 1)
    return torch.rand(BATCH, *sizes.image, generator=generator) * brightness


class Kind:
    """One kind of component."""

    name: ClassVar[str]
    base: ClassVar[type[Component]]
    neighbours: ClassVar[tuple[str, ...]]
    """The fields of `Sizes` that are known when it is built."""
    sized: ClassVar[dict[str, str]] = {}
    """Input → the field of `Sizes` that says how long it is. A component whose tensors depend on
    that field must use the input."""
    large: ClassVar[dict[str, float]]
    """Input → by what it may grow; pixels have bounds."""
    pictures: ClassVar[tuple[str, ...]] = ()
    """The images among the inputs, [B, C, H, W], if it must see each channel in one of them."""
    zero: ClassVar[str] = "h_dec"
    """The input that is 0 at the engine's first step."""
    blank: ClassVar[tuple[str, ...]] = ()
    """The inputs that may be 0 as well, as those of a blank image are."""
    learns: ClassVar[tuple[str, ...]] = ()
    """The inputs that a gradient must reach, as what gives them learns through the component; if
    the output depends on them at all."""

    def sizes(self, image: tuple[int, int, int], stride: int | None = None) -> Sizes:
        """Sizes to build a component for: its neighbours give vectors, or maps of a stride."""
        _, height, width = image
        more = (height // stride, width // stride) if stride else ()
        return Sizes(image=image, **{name: (n, *more) for name, n in FEATURES.items()})

    def known(self, sizes: Sizes, component: Any, config: Any) -> Sizes:
        """Of these sizes, what the engine tells a component of this kind."""
        unknown = {name: () for name in FEATURES if name not in self.neighbours}
        return msgspec.structs.replace(sizes, **unknown)

    def inputs(self, sizes: Sizes, generator: torch.Generator, component: Any) -> Inputs:
        """Random inputs, float32."""
        raise NotImplementedError

    def shape(self, component: Any, sizes: Sizes) -> tuple[int, ...]:
        """The shape of the output, without the batch."""
        return out_shape(component) or (getattr(component, "out_features", None),)  # type: ignore[return-value]

    def run(self, component: Any, inputs: Inputs) -> Tensor:
        """The output; nothing is checked here, as it is compiled, too."""
        output: Tensor
        *_, output = self.turns(component, inputs)
        return output

    def turns(self, component: Any, inputs: Inputs) -> Iterator[Any]:
        """Call by call, what there is of the output; the output itself at last."""
        yield self.run(component, inputs)

    def inspect(self, component: Any, inputs: Inputs, who: str) -> None:
        """Checks the form of all that the component gives, and that it changes nothing."""
        raise NotImplementedError

    def extra(self, component: Any, inputs: Inputs, who: str) -> Tensor | None:
        """What is added to the loss, [B]."""
        return None

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        """What the output lacks, if it depends on too little."""
        raise NotImplementedError
