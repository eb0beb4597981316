"""What a plugin builds: encoders, readers and writers.

A component is an `nn.Module` built once, from its own typed `Config` and the `Sizes` that the
engine gives it. The engine then calls it at every step with plain tensors. These are base classes
and not protocols because most encoders need none of `prepare`, `needs_labels`, `auxiliary_loss`
and `classify`, and a default in one place is shorter than a question in the engine.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from torch import Tensor, nn

from drawzoo.attention import Window
from drawzoo.config import Config as BaseConfig

__all__ = ["Encoder", "EncoderState", "Reader", "Sizes", "Window", "Writer"]

EncoderState = tuple[Tensor, ...]
"""An encoder's recurrent state: any number of tensors, each [B, ...]."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """The shapes a component must fit."""

    image: tuple[int, int, int]
    """(C, H, W), in pixels."""
    decoder: int
    """Features of h_dec."""
    glimpse: int = 0
    """Features of the glimpse; known when the encoder is built, after the reader."""


class Component(nn.Module):
    """Common to all components: `Config` names the class of its settings."""

    Config: ClassVar[type[BaseConfig]] = BaseConfig

    def __init__(self, config: Any = None, sizes: Sizes | None = None) -> None:
        super().__init__()


class Reader(Component):
    """Reads a glimpse from the image and the error image.

    Attributes:
        out_features: The number of features R of the glimpse.
    """

    out_features: int

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> tuple[Tensor, Window | None]:
        """r_t = read(x, x̂_t, h_dec_{t−1}), eq. 4.

        Arguments:
            x: The image, [B, C, H, W].
            error: The error image x̂ = x − σ(c_{t−1}), [B, C, H, W].
            h_dec: The decoder's previous output, [B, D].

        Returns:
            The glimpse [B, R], and the window it was read through, if there is one.
        """
        raise NotImplementedError


class Encoder(Component):
    """Turns glimpses into the features that the posterior of z_t is computed from.

    Attributes:
        out_features: The number of features E of h_enc.
        needs_labels: Whether training needs the images' labels (see `auxiliary_loss`).
    """

    out_features: int
    needs_labels: ClassVar[bool] = False

    def prepare(self, x: Tensor) -> Tensor | None:
        """Work that is done once an image, before the first step: x [B, C, H, W] → context."""
        return None

    def initial_state(self, batch: int) -> EncoderState:
        """The state before the first step."""
        raise NotImplementedError

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: EncoderState, context: Tensor | None
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

    def auxiliary_loss(self, context: Tensor | None, labels: Tensor) -> Tensor:
        """An extra loss for each image, [B], added to the bound in training only.

        Called only if `needs_labels`; sampling and evaluation never need labels.
        """
        raise NotImplementedError

    def classify(self, context: Tensor | None) -> Tensor:
        """The logits of the classes, [B, K], for an encoder that classifies.

        It sees what `prepare` returned, and no labels; the protocol `accuracy` measures it.
        """
        raise NotImplementedError


class Writer(Component):
    """Writes to the canvas."""

    def forward(self, h_dec: Tensor) -> tuple[Tensor, Window | None]:
        """write(h_dec_t), eq. 8 and 29.

        Arguments:
            h_dec: The decoder's output, [B, D].

        Returns:
            What is added to the canvas, [B, C, H, W], and the window it was written through, if
            there is one.
        """
        raise NotImplementedError

    def total(self, h_dec: Tensor) -> Tensor:
        """The sum of what is written in all steps: h_dec [B, T, D] → [B, C, H, W].

        Sampling asks for nothing else. Worth defining where the sum costs less than its parts.
        """
        first, *others = h_dec.unbind(dim=1)
        canvas: Tensor = self(first)[0]
        for h in others:
            canvas = canvas + self(h)[0]
        return canvas
