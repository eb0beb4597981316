"""The `accuracy` protocol, for models whose encoder classifies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from drawzoo.errors import DataError
from drawzoo.evaluation.protocol import Conditions, Metric, Protocol
from drawzoo.schema.figures import Figure

if TYPE_CHECKING:
    from torch import Tensor

    from drawzoo.data.images import Images
    from drawzoo.engine.draw import Draw

__all__ = ["Accuracy", "AccuracyFigure"]

BATCH = 250


class AccuracyFigure(Figure, frozen=True, kw_only=True, tag="accuracy"):
    """The share of images that a model whose encoder classifies takes for what they are."""

    # Two of 10,000 images that sit on the fence.
    tolerance: ClassVar[float] = 2e-4

    accuracy: float
    accuracy_stderr: float


class Accuracy(Protocol):
    """The share of images for which the likeliest class of the encoder is the label.

    Labels are compared with, and never shown to the model.
    """

    figure = AccuracyFigure
    title = "images classified correctly, higher is better"
    columns = ("accuracy",)
    values = {
        "predicted": "the likeliest class",
        "correct": "whether that is the label, 1 or 0",
    }

    def applies(self, model: Draw) -> bool:
        return model.encoder.classifies

    def each(self, model: Draw, images: Images, conditions: Conditions) -> dict[str, Tensor]:
        """The class that each image is taken for, and whether it is the label.

        Raises:
            ConfigError: If the model's encoder does not classify.
            DataError: If the images have no labels, or labels of other classes.
        """
        import torch

        dataset = conditions.dataset
        if images.labels is None:
            raise DataError(f"{dataset} has no labels, and protocol accuracy compares with them")
        generator = torch.Generator().manual_seed(conditions.seed)
        total, guesses = len(images.pixels), []
        for first in conditions.progress(range(0, total, BATCH)):
            index = torch.arange(first, min(first + BATCH, total))
            logits = model.classify(images.batch(index, generator))
            classes = logits.shape[1]
            if not 0 <= images.labels[index].min() <= images.labels[index].max() < classes:
                raise DataError(
                    f"{dataset} has labels that are not from 0 to {classes - 1}, the classes of "
                    "the model; choose another --dataset"
                )
            guesses.append(logits.argmax(dim=1).cpu())
        predicted = torch.cat(guesses)
        return {"predicted": predicted, "correct": (predicted == images.labels).long()}

    def total(
        self, model: Draw, found: dict[str, Tensor], conditions: Conditions
    ) -> dict[str, Any]:
        """The share with its standard error."""
        total = len(found["correct"])
        accuracy = int(found["correct"].sum()) / total
        return {
            "accuracy": round(accuracy, 4),
            "accuracy_stderr": round((accuracy * (1 - accuracy) / total) ** 0.5, 4),
        }

    def in_words(self, figure: AccuracyFigure) -> str:
        return (
            f"{figure.accuracy:.2%} ± {figure.accuracy_stderr:.2%} of the images classified "
            "correctly"
        )

    def row(self, figure: AccuracyFigure) -> list[str]:
        return [f"{figure.accuracy:.2%} ± {figure.accuracy_stderr:.2%}"]

    def explanation(self, figures: Sequence[AccuracyFigure]) -> str:
        return (
            "By the classifier in the encoder, which is trained with labels; drawing and the "
            "other protocols need\nnone."
        )

    def metrics(self, figure: AccuracyFigure) -> list[Metric]:
        return [Metric("accuracy", "Accuracy of the encoder's classifier", figure.accuracy)]
