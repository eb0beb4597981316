"""Validation: images that are never trained on, and their bound."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from drawzoo.data.dataset import find_dataset
from drawzoo.data.images import Images, load_dataset
from drawzoo.engine.draw import Draw
from drawzoo.engine.world import World
from drawzoo.errors import TrainingError, WeightsError
from drawzoo.evaluation.bound import bound_parts
from drawzoo.schema.training import RunConfig

__all__ = ["ValidBound", "load_images", "valid_bound"]

LEAST_TRAINED = 10
"""At most one image of so many is taken from the training split."""


class ValidBound(NamedTuple):
    """The mean bound on the images of validation, and its KL, in nats per image."""

    nats: float
    kl: float


def load_images(config: RunConfig, root: Path) -> tuple[Images, Images | None]:
    """The images to train on, and the images to validate on or None.

    The images to validate on are the same in every run of a dataset, whatever its seed.

    Arguments:
        config: The run.
        root: The folder of datasets.

    Raises:
        DataError: If a split is missing or damaged.
    """
    name, image, num = config.model.dataset, config.model.image, config.training.validation
    images = load_dataset(name, "train", root, image=image)
    if num and "valid" in find_dataset(name).at(image).splits:
        valid = load_dataset(name, "valid", root, image=image)
        return images, valid.subset(min(num, len(valid.pixels)))
    if held := min(num, len(images.pixels) // LEAST_TRAINED):
        return images.hold_out(held)
    return images, None


def valid_bound(model: Draw, images: Images, world: World) -> ValidBound:
    """The bound of a model that is being trained; binarisation and noise are always the same.

    Raises:
        TrainingError: If the bound is not finite.
        DistributedError: If another process has died.
    """
    model.eval()
    precision = torch.get_float32_matmul_precision()
    # What is measured is comparable, whatever was trained with.
    torch.set_float32_matmul_precision("highest")
    try:
        nats, kl, _ = bound_parts(model, images, seed=0, world=world).mean(dim=1).tolist()
    except WeightsError:
        raise TrainingError(
            "the bound on validation is not finite; the last good checkpoint is kept: try a lower "
            "learning_rate or clip_norm from a new start"
        ) from None
    finally:
        torch.set_float32_matmul_precision(precision)
        model.train()
    return ValidBound(nats, kl)
