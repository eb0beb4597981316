"""What a plugin builds: the six components of a DRAW.

A component is an `nn.Module` built once, from its own typed `Config` and the `Sizes` around it. The
engine then calls it at every step with plain tensors, the batch first. Glimpses, codes, h_enc and
h_dec may be vectors or maps: the engine counts no features. These are base classes and not
protocols because most components need none of the optional methods, and a default in one place is
shorter than a question in the engine. `Latent` and `Likelihood` are in modules of their own.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import torch
from torch import Tensor, nn

from drawzoo.engine.attention import Window
from drawzoo.errors import ConfigError
from drawzoo.schema.base import Config as BaseConfig

__all__ = [
    "Component",
    "Decoder",
    "DecoderState",
    "Encoder",
    "EncoderState",
    "Reader",
    "Shape",
    "Sizes",
    "Window",
    "Writer",
    "out_shape",
]

EncoderState = tuple[Tensor, ...]
"""An encoder's recurrent state: any number of tensors, each [B, ...]."""

DecoderState = tuple[Tensor, ...]
"""A decoder's recurrent state: any number of tensors, each [B, ...]."""

Shape = tuple[int, ...]
"""A tensor's shape without the batch: (features,) of vectors, (channels, height, width) of maps."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """The shapes a component must fit: the images', and the shapes of components built before.

    `latent`, `decoder`, `glimpse` and `encoder` are the numbers of features, for components that
    take vectors. A neighbour that gives maps is refused with a `ConfigError`.
    """

    image: tuple[int, int, int]
    """(C, H, W), in pixels."""
    canvas: tuple[int, int, int] = (0, 0, 0)
    """(C', H, W), in pixels; the image's unless given."""
    latent_shape: Shape = ()
    """The shape of a code z_t."""
    decoder_shape: Shape = ()
    """The shape of h_dec."""
    glimpse_shape: Shape = ()
    """The shape of the glimpse; for the encoder and the latent."""
    encoder_shape: Shape = ()
    """The shape of h_enc; for the latent alone."""

    def __post_init__(self) -> None:
        if self.canvas == (0, 0, 0):
            msgspec.structs.force_setattr(self, "canvas", self.image)

    @property
    def latent(self) -> int:
        """Features of a code z_t."""
        return _features(self.latent_shape, "codes")

    @property
    def decoder(self) -> int:
        """Features of h_dec."""
        return _features(self.decoder_shape, "h_dec")

    @property
    def glimpse(self) -> int:
        """Features of the glimpse."""
        return _features(self.glimpse_shape, "glimpses")

    @property
    def encoder(self) -> int:
        """Features of h_enc."""
        return _features(self.encoder_shape, "h_enc")


def _features(shape: Shape, what: str) -> int:
    if len(shape) != 1:
        raise ConfigError(f"it takes {what} that are vectors, and is given the shape {list(shape)}")
    return shape[0]


class Component(nn.Module):
    """Common to all components: `Config` names the class of its settings.

    A component is built as `component(config, sizes)`; a component that needs neither may
    leave its `__init__` out.
    """

    Config: ClassVar[type[BaseConfig]] = BaseConfig

    def __init__(self, config: Any = None, sizes: Sizes | None = None) -> None:
        super().__init__()


def out_shape(component: nn.Module) -> Shape | None:
    """The shape of the output of a reader, encoder or decoder; None if it is not said."""
    shape: Any = getattr(component, "out_shape", None)
    if shape is None:
        shape = (getattr(component, "out_features", None),)
    if isinstance(shape, tuple) and shape and all(isinstance(side, int) for side in shape):
        return shape
    return None


class Reader(Component):
    """Reads a glimpse from the image and the error image.

    Attributes:
        out_features: The number of features R of the glimpse.
        out_shape: The shape of the glimpse, in the place of `out_features` where it is no vector.
    """

    out_features: int
    out_shape: Shape

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, Window | None]:
        """r_t = read(x, x̂_t, h_dec_{t−1}), eq. 4.

        Arguments:
            x: The image, [B, C, H, W].
            error: The error image x̂ = x − σ(c_{t−1}), [B, C, H, W].
            h_dec: The decoder's previous output, [B, D].

        Returns:
            The glimpse [B, R], and the window that the glimpse was read through, or None.
        """
        raise NotImplementedError


class Encoder(Component):
    """Turns glimpses into the features that the posterior of z_t is computed from.

    Attributes:
        out_features: The number of features E of h_enc.
        out_shape: The shape of h_enc, in the place of `out_features` where it is no vector.
        needs_labels: Whether training needs the images' labels (see `auxiliary_loss`).
        classifies: Whether `classify` is defined.
    """

    out_features: int
    out_shape: Shape
    needs_labels: ClassVar[bool] = False
    classifies: ClassVar[bool] = False

    def prepare(self, x: Tensor) -> Any:
        """Work that is done once for each image, before the first step: x [B, C, H, W] → context.

        A context is None, a tensor, or tuples, lists and dictionaries of tensors, the batch first.
        """
        return None

    def initial_state(self, batch: int) -> EncoderState:
        """The state before the first step."""
        raise NotImplementedError

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: EncoderState, context: Any
    ) -> tuple[Tensor, EncoderState]:
        """h_enc_t = RNN_enc(h_enc_{t−1}, [r_t, h_dec_{t−1}]), eq. 5.

        Arguments:
            glimpse: r_t, [B, R].
            h_dec: The decoder's previous output, [B, D].
            state: The encoder's state.
            context: What `prepare` returned.

        Returns:
            h_enc, [B, E], and the next state.
        """
        raise NotImplementedError

    def auxiliary_loss(self, context: Any, labels: Tensor) -> Tensor:
        """An extra loss for each image, [B], added to the bound in training only.

        Called only if `needs_labels`; sampling and evaluation never need labels.
        """
        raise NotImplementedError

    def classify(self, context: Any) -> Tensor:
        """The logits of the classes, [B, K], for an encoder that classifies.

        `classify` is given what `prepare` returned, and no labels; the protocol `accuracy` uses it.
        """
        raise NotImplementedError


class Decoder(Component):
    """Turns codes into the features that the writer writes.

    Attributes:
        out_features: The number of features D of h_dec.
        out_shape: The shape of h_dec, in the place of `out_features` where it is no vector.
        closed: Whether h_dec follows from the codes alone, whatever is on the canvas. Drawing is
            faster then: `unroll` takes all codes at once.
    """

    out_features: int
    out_shape: Shape
    closed: ClassVar[bool] = False

    def initial_state(self, batch: int) -> DecoderState:
        """The state before the first step; its first tensor is h_dec_0."""
        raise NotImplementedError

    def forward(
        self, z: Tensor, state: DecoderState, canvas: Tensor
    ) -> tuple[Tensor, DecoderState]:
        """h_dec_t = RNN_dec(h_dec_{t−1}, z_t), eq. 7.

        Arguments:
            z: The code, [B, Z].
            state: The decoder's state.
            canvas: c_{t−1}, [B, C', H, W]; a `closed` decoder does not look at it.

        Returns:
            h_dec, [B, D], and the next state.
        """
        raise NotImplementedError

    def unroll(self, z: Tensor, state: DecoderState, canvas: Tensor) -> tuple[Tensor, DecoderState]:
        """Many steps of a `closed` decoder: codes [T, B, Z] → h_dec [B, T, D] and the last state.

        Sampling calls `unroll` alone. Define it where all steps together cost less than one by one.
        """
        steps = []
        for z_t in z:
            h_dec, state = self(z_t, state, canvas)
            steps.append(h_dec)
        return torch.stack(steps, dim=1), state


class Writer(Component):
    """Writes to the canvas."""

    def forward(self, h_dec: Tensor) -> tuple[Tensor, Window | None]:
        """write(h_dec_t), eq. 8 and 29.

        Arguments:
            h_dec: The decoder's output, [B, D].

        Returns:
            What is added to the canvas, [B, C', H, W], and the window that the patch was written
            through, or None.
        """
        raise NotImplementedError

    def total(self, h_dec: Tensor) -> Tensor:
        """The sum of the writes of all steps: h_dec [B, T, D] → [B, C', H, W].

        Sampling calls `total` alone. Define it where the sum costs less than its parts.
        """
        first, *others = h_dec.unbind(dim=1)
        canvas: Tensor = self(first)[0]
        for h in others:
            canvas = canvas + self(h)[0]
        return canvas
