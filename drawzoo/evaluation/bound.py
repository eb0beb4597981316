"""The `bound` protocol: the negative log-likelihood bound over a whole split."""

from __future__ import annotations

import torch

from drawzoo.data.images import Images
from drawzoo.evaluation.common import Progress, moments
from drawzoo.figures import BoundFigure
from drawzoo.model import Draw

__all__ = ["evaluate_bound"]

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

    Returns:
        Means in nats per image; `nats_std` is the standard deviation between images, and
        `nats_stderr` that of the mean.
    """
    generator = torch.Generator().manual_seed(seed)
    bounds, kls, reconstructions = [], [], []
    total = len(images.pixels)
    for first in progress(range(0, total, BATCH)):
        index = torch.arange(first, min(first + BATCH, total))
        bound = model.bound(images.batch(index, generator), generator=generator)
        bounds.append(bound.double())
        kls.append(bound.kl.sum(dim=0).double())
        reconstructions.append(bound.reconstruction.double())
    nats = torch.cat(bounds)
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
        kl=round(torch.cat(kls).mean().item(), 4),
        reconstruction=round(torch.cat(reconstructions).mean().item(), 4),
    )
