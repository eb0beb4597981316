"""The `quality` protocol: samples through the eyes of a classifier of digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from drawzoo.errors import ConfigError
from drawzoo.evaluation.markdown import table
from drawzoo.evaluation.protocol import Conditions, Metric, Protocol
from drawzoo.schema.figures import Figure, plus_minus

if TYPE_CHECKING:
    from drawzoo.data.images import Images
    from drawzoo.engine.draw import Draw

__all__ = ["LEAST", "Quality", "QualityFigure"]

LEAST = 1_000
"""Images below which the Fréchet distance says more about their number than about the model."""


class QualityFigure(Figure, frozen=True, kw_only=True, tag="quality"):
    """How a classifier of digits sees as many generated images as there are real ones."""

    # A pixel that is as likely black as white falls the other way after one rounding error.
    tolerance: ClassVar[float] = 2e-3

    frechet: float
    """The Fréchet distance between generated and real images, both binarised."""
    frechet_stderr: float
    confidence_mean: float
    """The mean probability of the likeliest digit over generated images."""
    confidence_stderr: float
    class_counts: list[int]
    """How many generated images are taken for each digit."""
    classifier: str
    """SHA-256 of its weights."""


class Quality(Protocol):
    """The Fréchet distance between generated and real digits, and how sure the classifier is.

    As many images are generated as there are real ones. Both are binarised, by sampling each pixel,
    since the model is a distribution of binary images and the classifier knows no others: a
    distance between grey and binary images would measure how grey they are. The distance depends on
    the number of images, so compare only figures with the same one.
    """

    figure = QualityFigure
    title = "samples seen by a classifier of digits"
    columns = ("Fréchet distance", "confidence")

    def applies(self, model: Draw) -> bool:
        from drawzoo.evaluation.digits.classifier import DIGITS, IMAGE

        return model.config.dataset in DIGITS and model.config.image == IMAGE

    def for_card(self, found: Callable[[int], Figure], total: int) -> Figure | None:
        return found(total) if total >= LEAST else None

    def measure(self, model: Draw, images: Images, conditions: Conditions) -> dict[str, Any]:
        """Distance, confidence and counts of each digit.

        Raises:
            ConfigError: If these are no images that the classifier knows, or too few.
        """
        import torch

        from drawzoo.engine.sampling import CHUNK
        from drawzoo.evaluation.digits.classifier import DIGITS, IMAGE, SHA256, classifier
        from drawzoo.evaluation.digits.frechet import bootstrap_stderr, frechet_distance
        from drawzoo.evaluation.moments import moments

        if conditions.dataset not in DIGITS or model.config.image != IMAGE:
            raise ConfigError(
                f"protocol quality needs 28×28 digits ({', '.join(DIGITS)}), not "
                f"{conditions.dataset} and images of {list(model.config.image)}; its classifier "
                "knows nothing else"
            )
        total = len(images.pixels)
        if total < LEAST:
            raise ConfigError(
                f"protocol quality needs at least {LEAST:,} images, got {total:,}: the distance of "
                "fewer is mostly its bias"
            )
        digit_classifier = classifier()
        samples, pixels, again = (torch.Generator().manual_seed(conditions.seed) for _ in range(3))
        parts = []
        for first in conditions.progress(range(0, total, CHUNK)):
            drawn = model.sample(min(CHUNK, total - first), generator=samples).cpu()
            parts.append(digit_classifier.classify(torch.bernoulli(drawn, generator=pixels)))
        features, probabilities = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        real, _ = digit_classifier.classify(images.batch(torch.arange(total), pixels))
        confidence, digits = probabilities.max(dim=1)
        certainty = moments(confidence)
        return {
            "frechet": round(frechet_distance(features, real), 4),
            "frechet_stderr": round(bootstrap_stderr(features, real, again), 4),
            "confidence_mean": certainty.mean,
            "confidence_stderr": certainty.stderr,
            "class_counts": digits.bincount(minlength=10).tolist(),
            "classifier": SHA256,
        }

    def in_words(self, figure: QualityFigure) -> str:
        digits = ", ".join(f"{digit}: {n}" for digit, n in enumerate(figure.class_counts))
        return (
            f"Fréchet distance {plus_minus(figure.frechet, figure.frechet_stderr)} between "
            f"{figure.images:,} images each, a number it depends on; confidence "
            f"{figure.confidence_mean:.4f} ± {figure.confidence_stderr:.4f}, samples taken for "
            f"{digits}"
        )

    def row(self, figure: QualityFigure) -> list[str]:
        return [
            plus_minus(figure.frechet, figure.frechet_stderr),
            f"{figure.confidence_mean:.4f} ± {figure.confidence_stderr:.4f}",
        ]

    def explanation(self, figures: Sequence[QualityFigure]) -> str:
        from drawzoo.evaluation.digits.classifier import facts

        known = facts()
        accuracy = f"{known.accuracy:.2%} ± {known.accuracy_stderr:.2%}"
        shares = (
            [f"share of {f.images:,}", *(f"{count / f.images:.1%}" for count in f.class_counts)]
            for f in figures
        )
        return f"""\
{table(["samples taken for", *map(str, range(10))], shares)}

The Fréchet distance (lower is better) is between as many generated as test images, both binarised,
in the {known.features} features of a small classifier that comes with drawzoo; it depends on their
number. Between {known.images:,} training images and as many test images it is \
{known.frechet_train:.2f}. Confidence is the
mean probability that the classifier gives the likeliest digit; for the test images it is
{known.confidence:.4f}, and {accuracy} of them are classified correctly."""

    def metrics(self, figure: QualityFigure) -> list[Metric]:
        return [
            Metric("frechet", "Fréchet distance in a digit classifier's features", figure.frechet),
            Metric("confidence", "Mean confidence of a digit classifier", figure.confidence_mean),
        ]
