"""How the kit calls what draws from codes: decoders, writers and likelihoods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drawzoo.engine.components import Decoder, Sizes, Writer, out_shape
from drawzoo.engine.likelihood import Likelihood
from drawzoo.errors import DrawzooError
from drawzoo.testing.fault import Fault
from drawzoo.testing.forms import check_shape, check_state, check_window, same, two, unchanged
from drawzoo.testing.kind import BATCH, STEPS, Inputs, Kind, at

__all__ = ["DECODER", "LIKELIHOOD", "WRITER"]


class _DecoderKind(Kind):
    name, base = "decoder", Decoder
    neighbours = ("latent_shape",)
    sized = {"z": "latent_shape", "canvas": "canvas"}  # noqa: RUF012
    large = {"z": 1e3, "canvas": 1e3}  # noqa: RUF012
    zero = "canvas"
    learns = ("z",)

    def inputs(self, sizes: Sizes, generator: torch.Generator, component: Any) -> Inputs:
        return {
            "z": torch.randn(BATCH, *sizes.latent_shape, generator=generator),
            "canvas": torch.randn(BATCH, *sizes.canvas, generator=generator),
        }

    def turns(self, component: Decoder, inputs: Inputs) -> Iterator[Tensor | None]:
        state = component.initial_state(len(inputs["z"]))
        yield None
        for step in range(STEPS):
            h, state = component(at(step, inputs["z"]), state, at(step, inputs["canvas"]))
            yield h

    def inspect(self, component: Decoder, inputs: Inputs, who: str) -> None:
        z, canvas = inputs["z"], inputs["canvas"]
        state = component.initial_state(len(z))
        check_state(who, "initial_state", state, z)
        shape = out_shape(component) or ()
        if not state or state[0].shape != (len(z), *shape):
            raise Fault(
                who,
                "has a state whose first tensor is not h_dec before the first step",
                f"initial_state gives {[list(part.shape) for part in state]}, expected "
                f"{[len(z), *shape]} first",
                "put h_dec, of the shape that out_features says, before all others",
            )
        first = state
        for step in range(STEPS):
            before = {**inputs, "its state": state}
            pair = unchanged(who, "forward", partial(component, z, state, canvas), before)
            _, state = two(who, pair, "h_dec and the next state")
            check_state(who, f"forward, at step {step + 1},", state, z)
        if component.closed and not component.training:
            self._check_closed(component, first, inputs, who)
            # A drawing goes on where its first part ended.
            self._check_closed(component, state, inputs, who)

    def _check_closed(
        self, component: Decoder, state: tuple[Tensor, ...], inputs: Inputs, who: str
    ) -> None:
        z, canvas = inputs["z"], inputs["canvas"]
        h = component(z, state, canvas)[0]
        if not same(h, component(z, state, canvas)[0]):
            return  # Hidden state or randomness of its own, which other checks name.
        if not same(h, component(z, state, 1 - 2 * canvas)[0]):
            raise Fault(
                who,
                "says closed = True, and looks at the canvas",
                "another canvas gives another h_dec",
                "leave closed = True out: drawing then goes step by step",
            )
        codes = torch.stack([z, z.flip(0), 2 * z])
        steps = []
        after = state
        for code in codes:
            h, after = component(code, after, canvas)
            steps.append(h)
        given = {**inputs, "its codes": codes, "its state": state}
        pair = unchanged(who, "unroll", partial(component.unroll, codes, state, canvas), given)
        all_at_once, last = two(who, pair, "h_dec of all steps and the last state")
        check_state(who, "unroll", last, z)
        expected = (torch.stack(steps, dim=1), *after)
        found = (all_at_once, *last)
        if len(found) != len(expected) or not all(map(_close, found, expected)):
            raise Fault(
                who,
                "has an unroll that is not its steps one by one",
                f"codes {list(codes.shape)} give h_dec {list(all_at_once.shape)}, expected "
                f"{list(expected[0].shape)} and the state after the last step",
                "give h_dec [B, T, …] and the last state; or leave unroll out",
            )

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        return None if depends("z") else "ignores the code z"


class _WriterKind(Kind):
    name, base = "writer", Writer
    neighbours = ("latent_shape", "decoder_shape", "glimpse_shape")
    large = {"h_dec": 1e3}  # noqa: RUF012
    learns = ("h_dec",)

    def inputs(self, sizes: Sizes, generator: torch.Generator, component: Any) -> Inputs:
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
        check_window(who, window, h_dec)
        other = h_dec.flip(0)
        if component.training:
            return  # Dropout makes every call another.
        all_steps = torch.stack([h_dec, other, other], dim=1)
        total = unchanged(who, "total", partial(component.total, all_steps), {"h_dec": all_steps})
        steps = patch + 2 * component(other)[0]
        if total.shape != steps.shape or not torch.allclose(total, steps, rtol=1e-3, atol=1e-4):
            raise Fault(
                who,
                "has a total that is not the sum of what it writes step by step",
                f"h_dec of 3 steps {[BATCH, 3, *h_dec.shape[1:]]} gives {list(total.shape)}, "
                f"expected the sum of three {list(patch.shape)}",
                "sum over all steps, each with its own window; or leave total out",
            )

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        return None if depends("h_dec") else "ignores h_dec"


class _LikelihoodKind(Kind):
    name, base = "likelihood", Likelihood
    neighbours = ()
    # Scales of pixels are exponentials of a canvas.
    large = {"canvas": 10.0}  # noqa: RUF012
    zero = "canvas"
    blank = ("x",)
    learns = ("canvas",)

    def known(self, sizes: Sizes, component: Any, config: Any) -> Sizes:
        return Sizes(image=sizes.image)

    def inputs(self, sizes: Sizes, generator: torch.Generator, component: Any) -> Inputs:
        _check_canvas_shape(f"likelihood {type(component).__name__}", component, sizes)
        # The pixels that are in every support.
        x = torch.rand(BATCH, *sizes.image, generator=generator).round()
        canvas = torch.randn(BATCH, *component.canvas_shape, generator=generator)
        return {"canvas": canvas, "x": x}

    def shape(self, component: Likelihood, sizes: Sizes) -> tuple[int, ...]:
        return (1 + math.prod(sizes.image),)

    def turns(self, component: Likelihood, inputs: Inputs) -> Iterator[Tensor | None]:
        nats = component.nats(inputs["canvas"], inputs["x"])
        yield None
        yield torch.cat([nats[:, None], component.mean(inputs["canvas"]).flatten(1)], dim=1)

    def inspect(self, component: Likelihood, inputs: Inputs, who: str) -> None:
        canvas, x = inputs["canvas"], inputs["x"]
        nats = unchanged(who, "nats", lambda: component.nats(canvas, x), inputs)
        check_shape(who, "nats, one number for each image", nats, (len(x),), x)
        mean = unchanged(who, "mean", lambda: component.mean(canvas), inputs)
        check_shape(who, "mean, the expected image", mean, tuple(x.shape), x)
        if not ((mean >= 0) & (mean <= 1)).all():
            raise Fault(
                who,
                "gives a mean outside [0, 1]",
                f"from {mean.min():.3g} to {mean.max():.3g} for canvases that are standard normal",
                "bound it, with a sigmoid or a clamp: it is shown, and subtracted from the image",
            )
        if same(nats, component.nats(1 - 2 * canvas, x)):
            raise Fault(
                who,
                "ignores the canvas in its nats",
                "another canvas gives the same nats",
                "compute −log p(x | canvas)",
            )
        if same(nats, component.nats(canvas, 1 - x)):
            raise Fault(
                who,
                "ignores the image in its nats",
                "the inverted image has the same nats",
                "compute −log p(x | canvas)",
            )
        self._check_start(component, x, who)
        try:
            component.check(x)
        except DrawzooError as error:
            raise Fault(
                who,
                f"refuses images of 0 and 1: {error}",
                f"check(x) for x {list(x.shape)}",
                "accept black and white, which are in the support of all data",
            ) from error

    def _check_start(self, component: Likelihood, x: Tensor, who: str) -> None:
        """A drawing may start from any mean image."""
        grey = 0.1 + 0.8 * torch.linspace(0, 1, x[0].numel(), dtype=x.dtype).view_as(x[0])
        for image in (grey.expand_as(x), x):
            canvas = unchanged(who, "canvas", partial(component.canvas, image), {"mean": image})
            check_shape(who, "canvas", canvas, (len(x), *component.canvas_shape), x)
            if not canvas.isfinite().all():
                raise Fault(
                    who,
                    "gives canvases that are not finite for pixels of 0 and 1",
                    f"canvas(mean) from {canvas.min():.3g} to {canvas.max():.3g}",
                    "keep away from both ends, as torch.logit(mean, eps=1e-3) does",
                )
        back = component.mean(component.canvas(grey.expand_as(x)))
        if not torch.allclose(back, grey.expand_as(x), atol=0.02):
            raise Fault(
                who,
                "gives canvases whose mean is another image than was asked for",
                f"mean(canvas(m)) is off by up to {(back - grey).abs().max():.3g}",
                "make canvas the inverse of mean, up to rounding",
            )

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        return None if depends("canvas") else "ignores the canvas"


def _check_canvas_shape(who: str, component: Any, sizes: Sizes) -> None:
    image, canvas = sizes.image, getattr(component, "canvas_shape", None)
    if getattr(component, "image_shape", None) != image:
        raise Fault(
            who,
            "does not say its image_shape",
            f"{getattr(component, 'image_shape', None)!r}, expected {image}",
            "call super().__init__(config, sizes)",
        )
    if (
        not (isinstance(canvas, tuple) and len(canvas) == 3)
        or not all(isinstance(side, int) for side in canvas)
        or canvas[1:] != image[1:]
    ):
        raise Fault(
            who,
            "has a canvas_shape that does not fit its image",
            f"canvas_shape is {canvas!r} for an image {list(image)}",
            "give (C', height, width), of the image's height and width",
        )


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4)


DECODER, WRITER, LIKELIHOOD = _DecoderKind(), _WriterKind(), _LikelihoodKind()
