"""How the kit calls what infers codes: readers, encoders and latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import torch
from torch import Tensor

from drawzoo.engine.components import Encoder, Reader, Sizes
from drawzoo.engine.latent import Latent
from drawzoo.testing.fault import Fault
from drawzoo.testing.forms import (
    batch_first,
    check_gaussian,
    check_state,
    check_window,
    two,
    unchanged,
)
from drawzoo.testing.kind import BATCH, STEPS, Inputs, Kind, at, pictures

__all__ = ["ENCODER", "LATENT", "READER"]


class _ReaderKind(Kind):
    name, base = "reader", Reader
    neighbours = ("latent_shape", "decoder_shape")
    sized = {"h_dec": "decoder_shape"}  # noqa: RUF012
    large = {"h_dec": 1e3}  # noqa: RUF012
    pictures = blank = ("x", "error")

    def inputs(self, sizes: Sizes, generator: torch.Generator, component: Any) -> Inputs:
        x, guess = pictures(sizes, generator), pictures(sizes, generator)
        h_dec = torch.randn(BATCH, *sizes.decoder_shape, generator=generator)
        return {"x": x, "error": x - guess, "h_dec": h_dec}

    def run(self, component: Reader, inputs: Inputs) -> Tensor:
        glimpse: Tensor = component(inputs["x"], inputs["error"], inputs["h_dec"])[0]
        return glimpse

    def inspect(self, component: Reader, inputs: Inputs, who: str) -> None:
        pair = unchanged(who, "forward", lambda: component(*inputs.values()), inputs)
        check_window(who, two(who, pair, "the glimpse and its window")[1], inputs["x"])

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        if depends("x") or depends("error"):
            return None
        return "ignores the image and the error image"


class _EncoderKind(Kind):
    name, base = "encoder", Encoder
    neighbours = ("latent_shape", "decoder_shape", "glimpse_shape")
    sized = {"glimpse": "glimpse_shape", "h_dec": "decoder_shape"}  # noqa: RUF012
    large = {"glimpse": 1e3, "h_dec": 1e3}  # noqa: RUF012
    blank = ("x",)
    learns = ("glimpse",)

    def inputs(self, sizes: Sizes, generator: torch.Generator, component: Any) -> Inputs:
        return {
            "x": pictures(sizes, generator),
            "glimpse": torch.randn(BATCH, *sizes.glimpse_shape, generator=generator),
            "h_dec": torch.randn(BATCH, *sizes.decoder_shape, generator=generator),
        }

    def turns(self, component: Encoder, inputs: Inputs) -> Iterator[Tensor | None]:
        context = component.prepare(inputs["x"])
        state = component.initial_state(len(inputs["x"]))
        yield None
        for step in range(STEPS):
            glimpse, h_dec = (at(step, inputs[name]) for name in ("glimpse", "h_dec"))
            h, state = component(glimpse, h_dec, state, context)
            yield h

    def inspect(self, component: Encoder, inputs: Inputs, who: str) -> None:
        x, glimpse, h_dec = inputs["x"], inputs["glimpse"], inputs["h_dec"]
        context = unchanged(who, "prepare", lambda: component.prepare(x), inputs)
        batch_first(who, "the context that prepare gives", context, x)
        if component.classifies:
            logits = component.classify(context)
            if logits.dim() != 2 or len(logits) != len(x):
                raise Fault(
                    who,
                    "has a classify that does not give logits [B, K]",
                    f"shape {list(logits.shape)} for {len(x)} images",
                    "give one number for each image and class",
                )
        state = component.initial_state(len(x))
        check_state(who, "initial_state", state, x)
        for step in range(STEPS):
            before = {**inputs, "its state": state, "its context": context}
            pair = unchanged(
                who, "forward", partial(component, glimpse, h_dec, state, context), before
            )
            _, state = two(who, pair, "h_enc and the next state")
            check_state(who, f"forward, at step {step + 1},", state, x)

    def extra(self, component: Encoder, inputs: Inputs, who: str) -> Tensor | None:
        if not component.needs_labels:
            return None
        context = component.prepare(inputs["x"])
        labels = torch.arange(BATCH) % 2
        loss = component.auxiliary_loss(context, labels)
        if loss.shape != (BATCH,):
            raise Fault(
                who,
                "has an auxiliary_loss that is not one number for each image",
                f"shape {list(loss.shape)} for {BATCH} images",
                'give [B]: the functions of torch take reduction="none"',
            )
        if torch.equal(loss, component.auxiliary_loss(context, 1 - labels)):
            raise Fault(
                who,
                "has an auxiliary_loss that ignores the labels",
                f"labels {labels.tolist()} and {(1 - labels).tolist()} give the same",
                "compute the loss of the labels, or set needs_labels = False",
            )
        return loss

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        if depends("glimpse") or depends("x"):
            return None
        return "ignores its glimpse, and with it the image"


class _LatentKind(Kind):
    name, base = "latent", Latent
    neighbours = ("latent_shape", "decoder_shape", "glimpse_shape", "encoder_shape")
    sized = {"h_enc": "encoder_shape", "h_dec": "decoder_shape"}  # noqa: RUF012
    large = {"h_enc": 1e3, "h_dec": 1e3}  # noqa: RUF012
    learns = ("h_enc",)

    def known(self, sizes: Sizes, component: type[Latent], config: Any) -> Sizes:
        shape = component.shape_of(config, Sizes(image=sizes.image, canvas=sizes.canvas))
        if not (isinstance(shape, tuple) and shape and all(isinstance(n, int) for n in shape)):
            raise TypeError(f"shape_of gives {shape!r}; give a tuple of whole numbers")
        return msgspec.structs.replace(sizes, latent_shape=shape)

    def inputs(self, sizes: Sizes, generator: torch.Generator, component: Any) -> Inputs:
        return {
            "h_enc": torch.randn(BATCH, *sizes.encoder_shape, generator=generator),
            "h_dec": torch.randn(BATCH, *sizes.decoder_shape, generator=generator),
        }

    def shape(self, component: Latent, sizes: Sizes) -> tuple[int, ...]:
        return (4, *sizes.latent_shape)

    def turns(self, component: Latent, inputs: Inputs) -> Iterator[Tensor | None]:
        mean, log_std = component.posterior(inputs["h_enc"])
        yield None
        prior = component.prior(inputs["h_dec"])
        standard = (torch.zeros_like(mean), torch.zeros_like(mean))
        yield torch.stack([mean, log_std, *(prior or standard)], dim=1)

    def inspect(self, component: Latent, inputs: Inputs, who: str) -> None:
        h_enc, h_dec = inputs["h_enc"], inputs["h_dec"]
        posterior = unchanged(who, "posterior", lambda: component.posterior(h_enc), inputs)
        if not isinstance(getattr(component, "shape", None), tuple):
            raise Fault(
                who,
                "does not say its shape",
                "no attribute shape",
                "call super().__init__(config, sizes)",
            )
        check_gaussian(who, "posterior", posterior, component.shape, h_enc)
        prior = unchanged(who, "prior", lambda: component.prior(h_dec), inputs)
        first = component.prior(torch.zeros_like(h_dec))
        if (prior is None) != (first is None):
            raise Fault(
                who,
                "has a prior at some steps and none at others",
                "prior(h_dec) and prior(0): one is None",
                "return None always, for the standard normal, or a drawzoo.Gaussian always",
            )
        if prior is not None:
            check_gaussian(who, "prior", prior, component.shape, h_dec)

    def sees(self, depends: Callable[[str], bool]) -> str | None:
        return None if depends("h_enc") else "ignores h_enc, and with it the image"


READER, ENCODER, LATENT = _ReaderKind(), _EncoderKind(), _LatentKind()
