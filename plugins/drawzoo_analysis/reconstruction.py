"""Images drawn again, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from drawzoo import Bound, Codes, Draw, Drawing, Images

__all__ = ["Reconstruction", "reconstructions"]


class Reconstruction(NamedTuple):
    """One image, a batch of one in all that belongs to it, and all from the same noise."""

    x: Tensor
    """What the model saw, [1, C, H, W]."""
    drawing: Drawing
    codes: Codes
    bound: Bound


def reconstructions(
    model: Draw,
    images: Images,
    *,
    seed: int = 0,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> list[Reconstruction]:
    """Every image with its drawing, codes and bound.

    Each is computed by itself, with a generator of its own: to the bit, it does not depend on
    what else is looked at.
    """
    results = []
    for index in progress(range(len(images.pixels))):
        generator = torch.Generator().manual_seed(seed)
        x = images.batch(torch.tensor([index]), generator)
        results.append(
            Reconstruction(
                x,
                # The same noise each time.
                model.reconstruct(x, generator=generator.clone_state()),
                model.encode(x, generator=generator.clone_state()),
                model.bound(x, generator=generator.clone_state()),
            )
        )
    return results
