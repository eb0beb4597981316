"""Measuring by the name of a protocol, and measuring again what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from drawzoo.components import Encoder
from drawzoo.data.images import load_dataset
from drawzoo.distributed import ALONE, World
from drawzoo.errors import UnknownNameError
from drawzoo.evaluation import quality
from drawzoo.evaluation.accuracy import evaluate_accuracy
from drawzoo.evaluation.bound import evaluate_bound
from drawzoo.evaluation.common import Progress
from drawzoo.evaluation.generated import PAIRS, evaluate_generated
from drawzoo.evaluation.iwae import evaluate_iwae
from drawzoo.evaluation.quality import evaluate_quality
from drawzoo.figures import Figure, IwaeFigure, protocol
from drawzoo.model import Draw
from drawzoo.quality.classifier import DIGITS, IMAGE
from drawzoo.registry import registry

__all__ = ["CARD_IWAE_IMAGES", "applicable", "measure", "measure_again", "measure_for_card"]

CARD_IWAE_IMAGES = 2_500
"""Images of the importance-weighted bound on a card."""

CARD_IWAE_ERROR = 0.5
"""Nats: where the standard error is not below, twice the images are taken."""

_EVALUATE: dict[str, Callable[..., Figure]] = {
    "bound": evaluate_bound,
    "iwae": evaluate_iwae,
    "generated": evaluate_generated,
    "quality": evaluate_quality,
    "accuracy": evaluate_accuracy,
}


def measure(
    model: Draw,
    protocol: str,
    root: Path,
    *,
    dataset: str,
    split: str = "test",
    images: int | None = None,
    progress: Progress = iter,
    world: World = ALONE,
    **settings: Any,
) -> Figure:
    """A figure by one of the `drawzoo.figures.PROTOCOLS`.

    Arguments:
        model: The model.
        protocol: The protocol's name.
        root: Where datasets lie.
        dataset: The dataset's name.
        split: The name of its split.
        images: How many images of it (`Images.subset`); all unless given, 1,000 for `generated`.
        progress: Wraps the sequence of batches.
        world: The processes that share the work of `bound` and `iwae`; what takes less, each does
            by itself.
        settings: `seed`, `name`, and `k` for `iwae`.

    Raises:
        UnknownNameError: If there is no such dataset.
        DataError: If its files are missing or damaged.
        ConfigError: If the protocol cannot be used with the model or the data.
    """
    with world.leader_first(model.initial_canvas.device):
        data = load_dataset(dataset, split, root)
    if protocol in ("bound", "iwae"):
        settings["world"] = world
    total = len(data.pixels)
    count = images or (min(total, PAIRS) if protocol == "generated" else total)
    return _EVALUATE[protocol](
        model, data.subset(count), dataset=dataset, split=split, progress=progress, **settings
    )


def measure_again(
    model: Draw, recorded: Figure, root: Path, *, progress: Progress = iter
) -> Figure:
    """The figure that is found now where `recorded` was found before."""
    settings: dict[str, Any] = {"seed": recorded.seed, "name": recorded.model}
    if isinstance(recorded, IwaeFigure):
        settings["k"] = recorded.k
    return measure(
        model,
        protocol(recorded),
        root,
        dataset=recorded.dataset,
        split=recorded.split,
        images=recorded.images,
        progress=progress,
        **settings,
    )


def applicable(model: Draw) -> list[str]:
    """The protocols that can be used with a model on the data it was trained on."""
    protocols = ["bound", "iwae", "generated"]
    if model.config.dataset in DIGITS and model.config.image == IMAGE:
        protocols.append("quality")
    if type(model.encoder).classify is not Encoder.classify:
        protocols.append("accuracy")
    return protocols


def measure_for_card(
    model: Draw, root: Path, *, progress: Callable[[str], Progress] = lambda what: iter
) -> list[Figure]:
    """All figures of a model's card: every applicable protocol on the test split, seed 0.

    The importance-weighted bound has k = 100 and 2,500 images, or 5,000 where the standard error
    would not be below half a nat. If a dataset `<dataset>-sample` is registered, the bound on it is
    the last: a figure that anybody can check without a download.

    Arguments:
        model: The model.
        root: Where datasets lie.
        progress: Gives what wraps the sequence of batches of a protocol.
    """
    dataset = model.config.dataset
    figures, total = [], len(load_dataset(dataset, "test", root).pixels)
    for kind in applicable(model):
        if kind == "quality" and total < quality.LEAST:
            continue

        def found(images: int | None, kind: str = kind) -> Figure:
            return measure(
                model, kind, root, dataset=dataset, images=images, progress=progress(kind)
            )

        figure = found(min(total, CARD_IWAE_IMAGES) if kind == "iwae" else None)
        if (
            isinstance(figure, IwaeFigure)
            and figure.nats_stderr >= CARD_IWAE_ERROR
            and figure.images < total
        ):
            figure = found(min(total, 2 * CARD_IWAE_IMAGES))
        figures.append(figure)
    sample = f"{dataset}-sample"
    try:
        registry().find("dataset", sample)
    except UnknownNameError:
        return figures
    return [*figures, measure(model, "bound", root, dataset=sample, progress=progress("sample"))]
