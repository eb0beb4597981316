"""The `bound` protocol: the negative log-likelihood bound over a whole split."""

from __future__ import annotations

import torch
from torch import Tensor

from drawzoo.data.images import Images
from drawzoo.distributed import ALONE, World
from drawzoo.evaluation.common import Progress, moments
from drawzoo.figures import BoundFigure
from drawzoo.model import Draw

__all__ = ["bound_parts", "evaluate_bound"]

BATCH = 250


def evaluate_bound(
    model: Draw,
    images: Images,
    *,
    dataset: str,
    split: str,
    seed: int = 0,
    name: str | None = None,
    progress: Progress = iter,
    world: World = ALONE,
) -> BoundFigure:
    """The mean of the bound over all images of a split, one sample of the codes each.

    The figure depends on the model, the images and the seed, which fixes binarisation and noise.

    Arguments:
        model: The model.
        images: The split.
        dataset: Its dataset's name, for the record.
        split: Its name, for the record.
        seed: Of binarisation and noise.
        name: What to call the model; its configuration's name unless given.
        progress: Wraps the sequence of batches.
        world: The processes that share the batches; all get the figure of one.

    Returns:
        Means in nats per image; `nats_std` is the standard deviation between images, and
        `nats_stderr` that of the mean.
    """
    nats, kl, reconstruction = bound_parts(model, images, seed, progress, world)
    mean, std, stderr = moments(nats)
    return BoundFigure(
        model=name or model.config.name,
        dataset=dataset,
        split=split,
        images=len(nats),
        seed=seed,
        nats_mean=mean,
        nats_std=std,
        nats_stderr=stderr,
        kl=round(kl.mean().item(), 4),
        reconstruction=round(reconstruction.mean().item(), 4),
    )


def bound_parts(
    model: Draw, images: Images, seed: int, progress: Progress = iter, world: World = ALONE
) -> Tensor:
    """The bound, the KL and the reconstruction of every image in nats, float64, [3, N].

    Arguments:
        model: The model.
        images: The images.
        seed: Of binarisation and noise.
        progress: Wraps the sequence of batches.
        world: The processes that share the batches; all get the result of one.
    """
    generator = torch.Generator().manual_seed(seed)
    total = len(images.pixels)
    # Nats, KL and reconstruction of each image; zeros for those of other processes.
    parts = torch.zeros(3, total, dtype=torch.float64, device=model.initial_canvas.device)
    for first in progress(range(0, total, BATCH)):
        index = torch.arange(first, min(first + BATCH, total))
        x = images.batch(index, generator)
        if first // BATCH % world.size != world.rank:
            # What the batch would draw is drawn, so that the next one's is the same as in one.
            model.noise(len(x), model.config.steps, generator)
            continue
        bound = model.bound(x, generator=generator)
        parts[:, index] = torch.stack(
            [bound.as_subclass(Tensor), bound.kl.sum(dim=0), bound.reconstruction]
        ).double()
    return world.sum(parts).cpu()
