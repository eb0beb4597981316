"""All checks in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from drawzoo.doctor import installation, machine, places
from drawzoo.doctor.finding import Check

__all__ = ["examine"]


def examine(
    *,
    data: Path | None = None,
    cache: Path | None = None,
    online: bool = False,
    watch: Callable[[str], None] = lambda what: None,
) -> Iterator[Check]:
    """All checks, one after the other.

    Arguments:
        data: The folder of data sets; the user's unless given.
        cache: The Hub's cache; the user's unless given.
        online: Whether the Hub may be asked.
        watch: Is told what is tried next, if that can take a second.
    """
    yield installation.own()
    yield installation.python()
    yield installation.packages()
    watch("starting torch")
    found = machine.probe()
    yield machine.torch(found)
    yield machine.torchvision(found)
    yield machine.processor(found)
    yield machine.kernels(found)
    # Before all that asks what is registered: the first to ask hears what is wrong.
    watch("loading plugins")
    yield from installation.plugins()
    watch("adding up the cache")
    yield places.cache(cache)
    watch("looking for data sets")
    yield places.data(data)
    watch("asking the Hub")
    yield places.hub(online=online)
