"""The `accuracy` protocol, for models whose encoder classifies."""

from __future__ import annotations

import torch

from drawzoo.data.images import Images
from drawzoo.errors import DataError
from drawzoo.evaluation.common import Progress
from drawzoo.figures import AccuracyFigure
from drawzoo.model import Draw

__all__ = ["evaluate_accuracy"]

BATCH = 250


def evaluate_accuracy(
    model: Draw,
    images: Images,
    *,
    dataset: str,
    split: str,
    seed: int = 0,
    name: str | None = None,
    progress: Progress = iter,
) -> AccuracyFigure:
    """The share of images for which the likeliest class of the encoder is the label.

    Labels are compared with, and never shown to the model.

    Arguments:
        model: The model.
        images: The images, with labels.
        dataset: Their dataset's name, for the record.
        split: Its split's name, for the record.
        seed: Of binarisation.
        name: What to call the model; its configuration's name unless given.
        progress: Wraps the sequence of batches.

    Raises:
        ConfigError: If the model's encoder does not classify.
        DataError: If the images have no labels.
    """
    if images.labels is None:
        raise DataError(f"{dataset} has no labels, and protocol accuracy compares with them")
    generator = torch.Generator().manual_seed(seed)
    total, right = len(images.pixels), 0
    for first in progress(range(0, total, BATCH)):
        index = torch.arange(first, min(first + BATCH, total))
        guess = model.classify(images.batch(index, generator)).argmax(dim=1).cpu()
        right += int((guess == images.labels[index]).sum())
    accuracy = right / total
    return AccuracyFigure(
        model=name or model.config.name,
        dataset=dataset,
        split=split,
        images=total,
        seed=seed,
        accuracy=round(accuracy, 4),
        accuracy_stderr=round((accuracy * (1 - accuracy) / total) ** 0.5, 4),
    )
