"""What the latent code of each time step does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from drawzoo import Draw, Images
from drawzoo.commands import seeded
from drawzoo_analysis.codes import encode_images

__all__ = ["StepEffects", "step_effects", "step_variants"]


class StepEffects(NamedTuple):
    """The part that each step's code has, over many images."""

    nats: Tensor
    """KL(Q_t ‖ P_t) of each step and image: what the code of the step says of it, [T, N]."""
    removed: Tensor
    """Mean absolute change of a pixel of the finished image when z_t becomes 0, [T, N]."""
    replaced: Tensor
    """The same when z_t is drawn anew from the prior, [T, N]."""


def step_variants(model: Draw, z: Tensor, fresh: Tensor) -> Tensor:
    """Finished images in which the code of one step is another, and the rest is held.

    Arguments:
        model: The model.
        z: Codes of one image, [T, 1, Z].
        fresh: Other codes, [T, V, Z].

    Returns:
        Pixel probabilities, [T, V, C, H, W]: in row t, z_t is replaced by each `fresh[t]`.
    """
    rows = []
    for t in range(len(z)):
        codes = z.expand(-1, fresh.shape[1], *z.shape[2:]).clone()
        codes[t] = fresh[t]
        rows.append(model.finished(codes))
    return torch.stack(rows)


def step_effects(
    model: Draw,
    images: Images,
    num: int,
    *,
    seed: int = 0,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> StepEffects:
    """The effects of all steps, on the first `num` images of a split.

    Arguments:
        model: The model.
        images: The split.
        num: Images to look at.
        seed: Of binarisation, noise, and the codes drawn anew.
        progress: Wraps the sequence of steps.
    """
    codes = encode_images(model, images, num, seed=seed)
    like = model.initial_canvas
    z = codes.z.to(like)
    fresh = model.noise(num, len(z), seeded(seed, "fresh"))
    finished = model.finished(z)
    removed: list[Tensor] = []
    replaced: list[Tensor] = []
    for t in progress(range(len(z))):
        for other, changes in ((torch.zeros_like(fresh[t]), removed), (fresh[t], replaced)):
            changed = z.clone()
            changed[t] = other
            difference = model.finished(changed) - finished
            changes.append(difference.abs().flatten(1).mean(dim=1))
    return StepEffects(codes.kl.to(like), torch.stack(removed), torch.stack(replaced))
