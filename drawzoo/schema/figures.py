"""Measured figures; data of the manifest and of `drawzoo evaluate --json`. Free of torch.

A figure says what was measured on which images, so that the measurement can be repeated;
`disagreement` compares the two. Each protocol (`drawzoo.evaluation.protocol`) has a figure of its
own, with the measured values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from drawzoo.schema.base import Config

__all__ = ["SUBSET", "Figure", "bits", "disagreement", "facts", "find", "plus_minus"]


SUBSET = "the first of numpy.random.RandomState(0).permutation(size of the split)"
"""The rule of `drawzoo.data.images.Images.subset`, as figures state it."""


class Figure(Config, frozen=True, kw_only=True, tag_field="protocol"):
    """The fields of all figures: the model, the data and the images.

    A protocol's own figure has the protocol's name as its tag, and the measured values:

        >>> class Brightness(Figure, frozen=True, kw_only=True, tag="brightness"):
        ...     mean: float
        >>> where = {"model": "m", "dataset": "mnist", "split": "test", "images": 9, "seed": 0}
        >>> Brightness(**where, mean=0.1).protocol
        'brightness'
    """

    tolerance: ClassVar[float] = 1e-5
    """How far a value may differ when the figure is measured again; see `disagreement`."""

    model: str
    dataset: str
    split: str
    images: int
    """The number of images of the split; see `subset`."""
    seed: int
    subset: str = SUBSET
    """The rule that chose the images, unless they are the whole split."""

    @property
    def protocol(self) -> str:
        """The name of the protocol that measured the figure."""
        return str(self.__struct_config__.tag)


def facts(figure: Figure) -> dict[str, Any]:
    """A figure as JSON: what was measured, then the values that are not None, then the seed."""
    values = msgspec.to_builtins(figure)
    values = {key: value for key, value in values.items() if value is not None}
    head = {key: values.pop(key) for key in ("model", "dataset", "split", "protocol", "images")}
    seed = values.pop("seed")
    return {**head, **values, "seed": seed}


def find(figures: Sequence[Figure], protocol: str, dataset: str, split: str = "test") -> Any:
    """A protocol's figure on the most images of a split; None without a figure."""
    same = [f for f in figures if (f.protocol, f.dataset, f.split) == (protocol, dataset, split)]
    return max(same, key=lambda figure: figure.images, default=None)


def plus_minus(mean: float, stderr: float) -> str:
    """A mean with its standard error.

    Example:
        >>> plus_minus(85.9476, 0.2332)
        '85.95 ± 0.23'
    """
    return f"{mean:.2f} ± {stderr:.2f}"


def bits(per_dimension: float | None) -> str:
    """The text that follows nats where there are bits per dimension.

    Example:
        >>> bits(3.51234)
        ', 3.512 bits per dimension'
    """
    return "" if per_dimension is None else f", {per_dimension:.3f} bits per dimension"


def disagreement(recorded: Figure, found: Figure) -> str | None:
    """The difference between a recorded figure and a new measurement; None if they agree.

    Names and counts must be equal. Floats may differ by `tolerance · max(100, |v|)`: about 1e-3 for
    values below 100 nats. Another processor or another number of threads rounds float32
    differently, which moves the bound of an image by up to about 1e-4 nats and a mean by less; the
    standard error of every figure is more than a hundred times as large. Shares may differ by
    `tolerance` itself, and counts of generated images in the same proportion.
    """
    old, new = facts(recorded), facts(found)
    for key, value in old.items():
        if key == "model":
            continue
        if isinstance(value, float):
            scale = max(100.0, abs(value)) if key.startswith(_NATS) else max(1.0, abs(value))
            same = abs(value - new[key]) <= recorded.tolerance * scale
        elif isinstance(value, list):
            slack = max(1.0, recorded.tolerance * sum(value))
            same = len(value) == len(new[key]) and all(
                abs(a - b) <= slack for a, b in zip(value, new[key], strict=True)
            )
        else:
            same = value == new.get(key)
        if not same:
            name = f"{old['protocol']} on {recorded.dataset} {recorded.split}"
            return f"{name}: {key} is {new.get(key)}, recorded {value}"
    return None


_NATS = ("nats_", "bound_", "kl", "reconstruction")
