"""Images drawn again, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from drawzoo import Bound, Codes, Counter, Draw, Drawing, Images

__all__ = ["Reconstruction", "observation", "reconstructions"]


class Reconstruction(NamedTuple):
    """One image, a batch of one in all that belongs to it, and all from the same noise."""

    grey: Tensor
    """The image before it was made binary, in [0, 1], [1, C, H, W]."""
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
    rng: str = "torch",
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> list[Reconstruction]:
    """Every image with its drawing, codes and bound.

    Each image is computed by itself, with a generator of its own: to the bit, its drawing does not
    depend on what else is looked at. The rng `counter` gives the noise of the page that `drawzoo
    site` writes; binarisation takes torch's.
    """
    results = []
    for index in progress(range(len(images.pixels))):
        x, source = observation(images, index, seed, rng)
        results.append(
            Reconstruction(
                images.pixels[[index]].float() / 255,
                x,
                model.reconstruct(x, generator=source()),
                model.encode(x, generator=source()),
                model.bound(x, generator=source()),
            )
        )
    return results


def observation(
    images: Images, index: int, seed: int, rng: str
) -> tuple[Tensor, Callable[[], torch.Generator | Counter]]:
    """What a model sees of one image, [1, C, H, W], and its source of noise, the same each time."""
    generator = torch.Generator().manual_seed(seed)
    x = images.batch(torch.tensor([index]), generator)
    return x, lambda: Counter(seed) if rng == "counter" else generator.clone_state()
