"""The models' bound from several seeds, as it was measured. Free of torch.

Of each model one run ships, and its figures are measured again by whoever wants to. The runs of the
other seeds were not kept, so their figures are a record: `seeds.json`, with the commands.
"""

from __future__ import annotations

import functools
import statistics
from importlib.resources import files

import msgspec

from drawzoo.commands import plus_minus

__all__ = ["Recorded", "Seeds", "recorded", "spread"]


class Seeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The runs of a model."""

    command: str
    """The command of the recipe; what ran may be an earlier form of it (docs/presentation.md)."""
    nats: list[float]
    """In nats an image, of the seeds 0, 1 and so on, two at least; the run of seed 0 ships."""


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured."""

    protocol: str
    split: str
    images: int
    models: dict[str, Seeds]


@functools.cache
def recorded() -> Recorded:
    """The record of this package."""
    return msgspec.json.decode(
        files(__package__).joinpath("seeds.json").read_bytes(), type=Recorded
    )


def spread(nats: list[float]) -> str:
    """Mean and standard deviation over seeds, and how many seeds, as text."""
    return f"{plus_minus(statistics.mean(nats), statistics.stdev(nats))} (of {len(nats)})"
