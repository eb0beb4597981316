"""Independent streams of random numbers out of one seed."""

from __future__ import annotations

import hashlib

import torch

__all__ = ["seeded"]


def seeded(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A generator for one purpose and step: randomness then needs no state that is kept.

    Example:
        >>> seeded(0, "order").initial_seed() == seeded(0, "noise").initial_seed()
        False
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
