"""Randomness that is the same each time, whatever a component takes its random numbers from."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

__all__ = ["seeded"]


@contextlib.contextmanager
def seeded(seed: int, other: int | None = None) -> Iterator[None]:
    """Seeds torch's randomness, and NumPy's and Python's by `other`; puts all back afterwards."""
    other = seed if other is None else other
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        # As `torch.manual_seed` on a CPU; that one looks for every kind of device, each time.
        torch.default_generator.manual_seed(seed)
        random.seed(other)
        np.random.seed(other)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
