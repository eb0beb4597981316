"""Mean and spread of a value over images."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from drawzoo.errors import WeightsError

__all__ = ["Moments", "moments"]


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
