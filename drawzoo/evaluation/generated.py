"""The `generated` protocol: generated images against unrelated ones.

A presentation on DRAW (N. Modhe and V. Jain, IIT Kanpur, 2016) gives the average, the standard
deviation and the maximum of "the negative log-likelihood of 1000 generated images". Its numbers
are many times too large for that; the cross-entropy below, between images that have nothing to do
with each other, has their size. It is no likelihood, and lower is not better: it rises as drawings
become sharper.
"""

from __future__ import annotations

import torch

from drawzoo.data.images import Images
from drawzoo.evaluation.common import Progress, moments
from drawzoo.figures import GeneratedFigure
from drawzoo.model import CHUNK, Draw

__all__ = ["PAIRS", "evaluate_generated"]

PAIRS = 1_000
"""Pairs that the presentation has."""


def evaluate_generated(
    model: Draw,
    images: Images,
    *,
    dataset: str,
    split: str,
    seed: int = 0,
    name: str | None = None,
    progress: Progress = iter,
) -> GeneratedFigure:
    """−log p(x | c_T) where x is an image of the split and c_T the canvas of a generated one.

    For binary pixels that is the binary cross-entropy between the generated image's pixel
    probabilities and x, binarised. Image i is paired with generated image i, of as many as there
    are images; the generated ones are those of `model.sample` with this seed.

    Arguments:
        model: The model.
        images: The images.
        dataset: Their dataset's name, for the record.
        split: Its split's name, for the record.
        seed: Of binarisation and generated images.
        name: What to call the model; its configuration's name unless given.
        progress: Wraps the sequence of batches.
    """
    samples, pixels = (torch.Generator().manual_seed(seed) for _ in range(2))
    total, parts = len(images.pixels), []
    for first in progress(range(0, total, CHUNK)):
        index = torch.arange(first, min(first + CHUNK, total))
        # From the canvas and not the probabilities, which round to 1 where it is very sure.
        canvas = model.draw(len(index), generator=samples).canvases[-1]
        x = images.batch(index, pixels).to(canvas)
        parts.append(model.likelihood.nats(canvas, x).double().cpu())
    nats = torch.cat(parts)
    mean, std, stderr = moments(nats)
    return GeneratedFigure(
        model=name or model.config.name,
        dataset=dataset,
        split=split,
        images=total,
        seed=seed,
        nats_mean=mean,
        nats_std=std,
        nats_stderr=stderr,
        nats_max=round(nats.max().item(), 4),
    )
