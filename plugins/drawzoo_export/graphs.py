r"""What is exported of a model: how a drawing starts, one step of it, and the whole drawing.

Each is a module whose inputs and outputs are plain tensors with names. A step is eq. 13 to 16 of
the paper, with the noise of the step as an input:

\[z = μ_P + σ_P\, ε, \quad h^{dec}, s = RNN^{dec}(z, s, c), \quad c' = c + write(h^{dec})\]
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from drawzoo import Draw

__all__ = ["BATCH", "Drawing", "Graph", "Port", "Start", "Step", "graphs_of"]

BATCH = "batch"
"""The name of the dimension of drawings, which may have any size."""


Shape = tuple[int | str, ...]


class Port(NamedTuple):
    """An input or an output."""

    name: str
    shape: Shape
    meaning: str


class Graph(nn.Module):
    """A part of a model that is exported, with the components that it needs and no others.

    Attributes:
        name: What files call it.
        inputs: What `forward` takes, in that order.
        outputs: What `forward` returns, in that order.
    """

    name: str
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...]

    def __init__(self, model: Draw) -> None:
        super().__init__()
        with torch.no_grad():
            canvas, _, h_dec, decoder = model.initial_state(1)
            # A standard normal prior never asks for h_dec.
            learned = [h_dec] if model.latent.prior(h_dec) is not None else []
            self.windows = model.writer(h_dec)[1] is not None
        self.of, self.learned, self.like = model.name, bool(learned), canvas
        self.parts = [canvas, *learned, *decoder]
        """The state before the first step, of one drawing: all start alike."""
        self.state = (
            Port("canvas", _shape(canvas), "c, of which the image is the mean"),
            *(Port("h_dec", _shape(part), "the decoder's output") for part in learned),
            *(
                Port(f"decoder_{i}", _shape(part), "the decoder's state")
                for i, part in enumerate(decoder)
            ),
        )


def _shape(tensor: Tensor) -> Shape:
    return (BATCH, *tensor.shape[1:])


class Start(Graph):
    """The state before the first step, of one drawing; all drawings start alike."""

    name = "start"

    def __init__(self, model: Draw) -> None:
        super().__init__(model)
        self.outputs = tuple(port._replace(shape=(1, *port.shape[1:])) for port in self.state)
        self.first = _Kept(self.parts)

    def forward(self) -> tuple[Tensor, ...]:
        return _apart(self.first())


class Step(Graph):
    """One step: noise and state → the next state, and what the step shows."""

    name = "step"

    def __init__(self, model: Draw) -> None:
        super().__init__(model)
        self.decoder, self.writer, self.likelihood = model.decoder, model.writer, model.likelihood
        self.latent = model.latent if self.learned else None
        after = (port._replace(name=f"next_{port.name}") for port in self.state)
        self.inputs = (self._noise(model), *self.state)
        self.outputs = (*after, *self._shown(model))

    def _noise(self, model: Draw, *steps: int) -> Port:
        """The noise of a step, or of all."""
        shape: Shape = (*steps, BATCH, *model.latent.shape)
        return Port("noise", shape, "standard normal noise, times a temperature")

    def _shown(self, model: Draw, *steps: int) -> tuple[Port, ...]:
        """What a step shows, or all do."""
        image: Shape = (*steps, BATCH, *model.likelihood.image_shape)
        many = "s" * len(steps)
        window = "written through: gx, gy, stride and variance in pixels from 1, and intensity"
        return (
            Port(f"image{many}", image, "the expected image, in [0, 1]"),
            *[Port(f"window{many}", (*steps, BATCH, 5), window)] * self.windows,
        )

    def step(self, noise: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The state after a step, and what the step shows."""
        canvas, *parts = state
        z = noise
        if self.latent is not None:
            prior = self.latent.prior(parts.pop(0))
            assert prior is not None, "a prior is learned at every step or at none"
            z = prior.at(noise)  # eq. 13
        h_dec, decoder = self.decoder(z, tuple(parts), canvas)  # eq. 14
        patch, window = self.writer(h_dec)
        canvas = canvas + patch  # eq. 15
        shown = [self.likelihood.mean(canvas)]  # eq. 16
        if window is not None:
            shown.append(torch.stack(window[:5], dim=1))
        return [canvas, *[h_dec] * self.learned, *decoder], shown

    def forward(self, noise: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        following, shown = self.step(noise, list(state))
        return _apart([*following, *shown])


class Drawing(Step):
    """All T steps: the noise of all → what each step shows."""

    name = "drawing"

    def __init__(self, model: Draw) -> None:
        super().__init__(model)
        self.first = _Kept(self.parts)
        self.inputs = (self._noise(model, model.steps),)
        self.outputs = self._shown(model, model.steps)

    def forward(self, noise: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        batch = noise.shape[1]
        following = [part.expand(batch, *part.shape[1:]) for part in self.first()]
        course = []
        for noise_t in noise:
            following, shown = self.step(noise_t, following)
            course.append(shown)
        return tuple(torch.stack(part) for part in zip(*course, strict=True))


class _Kept(nn.Module):
    """Tensors that are part of a program."""

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()
        for i, tensor in enumerate(tensors):
            self.register_buffer(str(i), tensor.detach().clone())

    def forward(self) -> list[Tensor]:
        return list(self.buffers())


def _apart(tensors: list[Tensor]) -> tuple[Tensor, ...]:
    """The tensors, none of which is an input, a buffer or another one."""
    return tuple(tensor.clone() for tensor in tensors)


def graphs_of(model: Draw) -> list[Graph]:
    """Start, step and drawing of a model in evaluation mode."""
    return [Start(model), Step(model), Drawing(model)]
