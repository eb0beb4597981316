"""What a component or a data set must leave as it was: torch's settings and random numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from drawzoo.testing.fault import Fault
from drawzoo.testing.seeding import seeded

__all__ = ["check_unseeded", "settings_kept"]

SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "default type": (torch.get_default_dtype, torch.set_default_dtype),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
    "gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "precision of products": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
}
"""Setting of torch → how to read it, and how to set it."""


@contextlib.contextmanager
def settings_kept(who: str) -> Iterator[None]:
    """The body must not change torch's settings, which everybody shares; puts them back.

    Raises:
        Fault: If a setting is another one after the body.
    """
    before = {name: get() for name, (get, _) in SETTINGS.items()}
    try:
        yield
    finally:
        after = {name: get() for name, (get, _) in SETTINGS.items()}
        changed = [name for name in SETTINGS if after[name] != before[name]]
        for name in changed:
            SETTINGS[name][1](before[name])
    for name in changed:
        raise Fault(
            who,
            f"changes torch's {name}, which everybody shares",
            f"{before[name]} before, {after[name]} after",
            "leave torch's settings alone; name the type of new tensors with dtype=",
        )


def check_unseeded(who: str, when: str, function: Callable[[], object]) -> None:
    """A call must not seed torch's random numbers, which everybody shares.

    Raises:
        Fault: If the state of the generator after the call does not depend on the state before.
    """
    states = []
    for seed in (1, 2):
        with seeded(seed):
            function()
            states.append(torch.get_rng_state())
    if torch.equal(*states):
        raise Fault(
            who,
            f"seeds torch's random numbers {when}",
            "from two seeds, the generator's state is the same afterwards",
            "take a torch.Generator of your own where numbers must be the same each time",
        )
