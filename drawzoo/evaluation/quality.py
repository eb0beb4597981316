"""The `quality` protocol: samples through the eyes of a classifier of digits."""

from __future__ import annotations

import torch

from drawzoo.data.images import Images
from drawzoo.errors import ConfigError
from drawzoo.evaluation.common import Progress, moments
from drawzoo.figures import QualityFigure
from drawzoo.model import CHUNK, Draw
from drawzoo.quality.classifier import DIGITS, IMAGE, SHA256, classifier
from drawzoo.quality.frechet import bootstrap_stderr, frechet_distance

__all__ = ["evaluate_quality"]

LEAST = 1_000
"""Images below which the Fréchet distance says more about their number than about the model."""


def evaluate_quality(
    model: Draw,
    images: Images,
    *,
    dataset: str,
    split: str,
    seed: int = 0,
    name: str | None = None,
    progress: Progress = iter,
) -> QualityFigure:
    """The Fréchet distance between generated and real digits, and the classifier's opinions.

    As many images are generated as there are real ones. Both are binarised, by sampling each pixel,
    since the model is a distribution of binary images and the classifier knows no others: a
    distance between grey and binary images would measure how grey they are. The distance depends on
    the number of images, so compare only figures with the same one.

    Arguments:
        model: The model.
        images: The real images.
        dataset: Their dataset's name, for the record; one of digits.
        split: Its split's name, for the record.
        seed: Of binarisation and generated images.
        name: What to call the model; its configuration's name unless given.
        progress: Wraps the sequence of batches.

    Raises:
        ConfigError: If these are no images that the classifier knows.
    """
    if dataset not in DIGITS or model.config.image != IMAGE:
        raise ConfigError(
            f"protocol quality needs 28×28 digits ({', '.join(DIGITS)}), not {dataset} and images "
            f"of {list(model.config.image)}; its classifier knows nothing else"
        )
    total = len(images.pixels)
    if total < LEAST:
        raise ConfigError(
            f"protocol quality needs at least {LEAST:,} images, got {total:,}: the distance of "
            "fewer is mostly its bias"
        )
    seer = classifier()
    samples, pixels, again = (torch.Generator().manual_seed(seed) for _ in range(3))
    parts = []
    for first in progress(range(0, total, CHUNK)):
        drawn = model.sample(min(CHUNK, total - first), generator=samples).cpu()
        parts.append(seer.look(torch.bernoulli(drawn, generator=pixels)))
    features, opinions = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    real, _ = seer.look(images.batch(torch.arange(total), pixels))
    confidence, digits = opinions.max(dim=1)
    sure = moments(confidence)
    return QualityFigure(
        model=name or model.config.name,
        dataset=dataset,
        split=split,
        images=total,
        seed=seed,
        frechet=round(frechet_distance(features, real), 4),
        frechet_stderr=round(bootstrap_stderr(features, real, again), 4),
        confidence_mean=sure.mean,
        confidence_stderr=sure.stderr,
        class_counts=digits.bincount(minlength=10).tolist(),
        classifier=SHA256,
    )
