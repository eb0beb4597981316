"""The models' bound from several seeds, as it was measured. Free of torch.

Of each model one run ships, and its figures are measured again by whoever wants to. The runs of the
other seeds were not kept, so their figures are a record: `seeds.json`, with the command.
"""

from __future__ import annotations

import functools
import statistics
from importlib.resources import files

import msgspec

from drawzoo.commands import plus_minus

__all__ = ["Recorded", "recorded", "spread"]


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured."""

    command: str
    """The command of the recipe; what ran was an earlier form of it (docs/presentation.md)."""
    protocol: str
    split: str
    images: int
    seeds: list[int]
    """The first is the seed of the run that ships."""
    nats: dict[str, list[float]]
    """Model → its figure from each of the seeds, in nats an image."""


@functools.cache
def recorded() -> Recorded:
    """The record of this package."""
    return msgspec.json.decode(
        files(__package__).joinpath("seeds.json").read_bytes(), type=Recorded
    )


def spread(nats: list[float]) -> str:
    """Mean and standard deviation over seeds, as text."""
    return plus_minus(statistics.mean(nats), statistics.stdev(nats))
