"""The settings of this plugin's encoder. Free of torch, so that wrong ones are refused early."""

from __future__ import annotations

from typing import Annotated

import msgspec

from drawzoo import Config, Size

__all__ = ["TransformerConfig"]


class TransformerConfig(Config, frozen=True):
    """Of an encoder that attends over past glimpses.

    Attributes:
        units: Features of the keys, values and h_enc.
        heads: Heads of the attention, a divisor of `units`.
        memory: How many glimpses the encoder remembers, the present one included; an older glimpse
            is forgotten. A memory as long as the model's number of steps forgets none.
    """

    units: Size = 256
    heads: Size = 4
    memory: Annotated[int, msgspec.Meta(ge=2, le=65_536)] = 10

    def __post_init__(self) -> None:
        if self.units % self.heads:
            raise ValueError(f"{self.units} units cannot be shared out among {self.heads} heads")
