"""Checks for plugin authors: call one in a test of your component.

Each builds the component for several image shapes, batches and dtypes, and raises an
`AssertionError` that says what is wrong: a wrong shape, a value that is not finite, a parameter
that no gradient reaches, an input changed in place, images of a batch that influence each other,
an output that differs from call to call, or weights that do not survive a round trip.

Example:
    >>> from drawzoo_draw.encoder import LSTMEncoder
    >>> check_encoder(LSTMEncoder, units=8)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from drawzoo.components import Component, Encoder, Reader, Sizes, Writer
from drawzoo.config import convert

__all__ = ["check_encoder", "check_reader", "check_writer"]

IMAGES = ((1, 28, 28), (3, 9, 14))
BATCH = 3
DECODER = 6
GLIMPSE = 4

C = TypeVar("C", bound=Component)


def check_encoder(component: type[Encoder], **settings: object) -> None:
    """Checks an encoder built with these settings.

    Raises:
        AssertionError: If it breaks what the engine relies on.
    """
    for encoder, x, h_dec, generator in _built(component, settings, glimpse=GLIMPSE):
        glimpse = _normal(generator, x, BATCH, GLIMPSE)

        def two_steps(
            x: Tensor, glimpse: Tensor, h_dec: Tensor, encoder: Encoder = encoder
        ) -> Tensor:
            context = encoder.prepare(x)
            h, state = encoder(glimpse, h_dec, encoder.initial_state(len(x)), context)
            h, state = encoder(glimpse, h_dec, state, context)
            for tensor in state:
                assert len(tensor) == len(x), f"a state of shape {list(tensor.shape)} is not [B, …]"
            features: Tensor = h
            return features

        extra = None
        if encoder.needs_labels:
            extra = encoder.auxiliary_loss(encoder.prepare(x), torch.arange(BATCH) % 2)
            assert extra.shape == (BATCH,), f"the loss has shape {list(extra.shape)}, not [B]"
        _check(encoder, two_steps, (x, glimpse, h_dec), (encoder.out_features,), extra)


def check_reader(component: type[Reader], **settings: object) -> None:
    """Checks a reader built with these settings.

    Raises:
        AssertionError: If it breaks what the engine relies on.
    """
    for reader, x, h_dec, generator in _built(component, settings):
        error = x - torch.rand(x.shape, generator=generator, dtype=x.dtype)

        def read(x: Tensor, error: Tensor, h_dec: Tensor, reader: Reader = reader) -> Tensor:
            glimpse: Tensor = reader(x, error, h_dec)[0]
            return glimpse

        _check(reader, read, (x, error, h_dec), (reader.out_features,))


def check_writer(component: type[Writer], **settings: object) -> None:
    """Checks a writer built with these settings.

    Raises:
        AssertionError: If it breaks what the engine relies on.
    """
    for writer, x, h_dec, generator in _built(component, settings):

        def write(h_dec: Tensor, writer: Writer = writer) -> Tensor:
            patch: Tensor = writer(h_dec)[0]
            return patch

        _check(writer, write, (h_dec,), tuple(x.shape[1:]))
        steps = _normal(generator, x, BATCH, 2, DECODER)
        torch.testing.assert_close(
            writer.total(steps),
            writer(steps[:, 0])[0] + writer(steps[:, 1])[0],
            msg=f"total of {component.__name__} is not the sum of what it writes step by step",
        )


def _built(
    component: type[C], settings: dict[str, object], glimpse: int = 0
) -> Iterator[tuple[C, Tensor, Tensor, torch.Generator]]:
    """The component for each kind of image, with images and a decoder's output."""
    config = convert(settings, component.Config, component.__name__)
    for image in IMAGES:
        for dtype in (torch.float32, torch.float64):
            sizes = Sizes(image=image, decoder=DECODER, glimpse=glimpse)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                built = component(config, sizes).to(dtype).eval()
            generator = torch.Generator().manual_seed(0)
            x = torch.rand(BATCH, *image, generator=generator, dtype=dtype)
            yield built, x, _normal(generator, x, BATCH, DECODER), generator


def _normal(generator: torch.Generator, like: Tensor, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=like.dtype)


def _check(
    component: nn.Module,
    call: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
    features: tuple[int, ...],
    extra: Tensor | None = None,
) -> None:
    name = type(component).__name__
    before = [tensor.clone() for tensor in inputs]
    out = call(*inputs)
    assert out.shape == (BATCH, *features), (
        f"{name} gives {list(out.shape)}, expected {[BATCH, *features]}"
    )
    assert out.dtype == inputs[0].dtype, f"{name} gives {out.dtype} for {inputs[0].dtype}"
    assert out.isfinite().all(), f"{name} gives values that are not finite"
    for old, new in zip(before, inputs, strict=True):
        assert old.equal(new), f"{name} changes an input in place"
    assert call(*inputs).equal(out), f"{name} differs from call to call in evaluation mode"

    alone = torch.cat([call(*(tensor[i : i + 1] for tensor in inputs)) for i in range(BATCH)])
    tolerance = 1e-10 if out.dtype == torch.float64 else 1e-4
    assert torch.allclose(alone, out, rtol=tolerance, atol=tolerance), (
        f"in {name}, images of a batch influence each other"
    )
    if any(True for _ in component.parameters()):
        component.zero_grad()
        loss = out.square().sum() if extra is None else out.square().sum() + extra.sum()
        torch.autograd.backward(loss)
        for key, parameter in component.named_parameters():
            gradient = parameter.grad
            assert gradient is not None and gradient.any(), f"no gradient reaches {name}.{key}"
            assert gradient.isfinite().all(), f"the gradient of {name}.{key} is not finite"
    # Tensors that share memory cannot be stored as safetensors, and are refused here.
    component.load_state_dict(load(save(component.state_dict())))
    assert call(*inputs).equal(out), f"{name} is another one after saving and loading its weights"
