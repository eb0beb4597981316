"""Mean and spread of a value over images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from drawzoo.errors import WeightsError

if TYPE_CHECKING:
    from drawzoo.engine.draw import Draw

__all__ = ["Moments", "bits_per_dimension", "moments", "with_bits"]


class Moments(NamedTuple):
    """Of values for each image; rounded to what is recorded."""

    mean: float
    std: float
    """Between images."""
    stderr: float
    """Of the mean."""


def moments(values: Tensor) -> Moments:
    """The moments of values [N].

    Raises:
        WeightsError: If a value is NaN or infinite, of which nothing is a mean.
    """
    values = values.double()
    if not values.isfinite().all():
        raise WeightsError(
            "the weights give values that are not finite; get them again, or use another model"
        )
    std = values.std(correction=0).item()
    stderr = std / len(values) ** 0.5
    return Moments(round(values.mean().item(), 4), round(std, 4), round(stderr, 4))


def bits_per_dimension(model: Draw, nats: float) -> float | None:
    """Nats an image in bits per dimension; None if they are not told so for the likelihood."""
    if not model.likelihood.bits_per_dimension:
        return None
    return round(nats / _nats_per_bit(model), 4)


def with_bits(model: Draw, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The values of each image with `bits_per_dimension` of its `nats`, where it is told so."""
    if not model.likelihood.bits_per_dimension:
        return found
    return {**found, "bits_per_dimension": found["nats"] / _nats_per_bit(model)}


def _nats_per_bit(model: Draw) -> float:
    """Nats an image that are one bit per dimension: C H W ln 2."""
    return math.prod(model.likelihood.image_shape) * math.log(2)
