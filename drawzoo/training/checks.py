"""What is refused before the first step."""

from __future__ import annotations

import torch

from drawzoo.data.images import Images
from drawzoo.engine.draw import Draw
from drawzoo.errors import ConfigError, DataError, PluginError
from drawzoo.testing.fault import Fault
from drawzoo.testing.kit import check_parts

__all__ = ["check_components", "check_images"]


def check_images(model: Draw, images: Images, batch_size: int, processes: int) -> None:
    """Checks that a model can be trained on images, in batches of a size and by some processes.

    Raises:
        ConfigError: If images, batch or processes do not fit.
        DataError: If labels are needed and there are none.
    """
    shape, dataset = tuple(images.pixels.shape[1:]), model.config.dataset
    if shape != model.config.image:
        raise ConfigError(
            f"{model.config.name} takes images of {list(model.config.image)} (C, H, W), but "
            f"{dataset} has {list(shape)}; say --set image=[C,H,W]"
        )
    if model.encoder.needs_labels and images.labels is None:
        raise DataError(
            f"the encoder of {model.config.name} needs labels, and {dataset} has "
            "none; train it on a dataset with labels"
        )
    if batch_size < processes:
        raise ConfigError(
            f"a batch of {batch_size} is too small for {processes} processes; raise batch_size or "
            "start fewer"
        )
    if len(images.pixels) < batch_size:
        raise ConfigError(
            f"a batch of {batch_size} is more than the {len(images.pixels)} images of {dataset} "
            "to train on; lower batch_size"
        )


def check_components(model: Draw) -> None:
    """The cheap half of the conformance kit, so that mistakes show before the first step.

    Raises:
        PluginError: If a component has one.
    """
    try:
        check_parts(model)
    except Fault as fault:
        raise PluginError(
            f"{str(fault).splitlines()[0]} (drawzoo.testing shows an example)"
        ) from fault
    model.eval()
    x, noise = torch.zeros(2, *model.config.image), torch.zeros(2, *model.latent.shape)
    try:
        with torch.no_grad():
            model(x, noise[None])
            model.paint(noise[None])
    except Exception as error:
        raise PluginError(
            f"a component of {model.config.name} fails on images of shape {list(x.shape)}: "
            f"{type(error).__name__}: {error} (DRAWZOO_DEBUG=1 shows where)"
        ) from error
    model.train()
