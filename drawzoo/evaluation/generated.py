"""The `generated` protocol: generated images against unrelated ones.

A presentation on DRAW (N. Modhe and V. Jain, IIT Kanpur, 2016) gives the average, the standard
deviation and the maximum of "the negative log-likelihood of 1000 generated images". Its numbers
are many times too large for that; the cross-entropy below, between images that have nothing to do
with each other, has their size. It is no likelihood, and lower is not better: it rises as pixels
become surer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from drawzoo.evaluation.protocol import Conditions, Metric, Protocol
from drawzoo.schema.figures import Figure, plus_minus

if TYPE_CHECKING:
    from torch import Tensor

    from drawzoo.data.images import Images
    from drawzoo.engine.draw import Draw

__all__ = ["PAIRS", "Generated", "GeneratedFigure"]

PAIRS = 1_000
"""Pairs that the presentation has."""


class GeneratedFigure(Figure, frozen=True, kw_only=True, tag="generated"):
    """The cross-entropy between generated images and unrelated ones. It is no likelihood."""

    nats_mean: float
    nats_std: float
    nats_stderr: float
    nats_max: float
    pairing: str = "generated image i with image i of the split"


class Generated(Protocol):
    """−log p(x | c_T) where x is an image of the split and c_T the canvas of a generated one.

    For binary pixels that is the binary cross-entropy between the generated image's pixel
    probabilities and x, binarised. Image i is paired with generated image i, of as many as there
    are images; the generated images are the ones `model.sample` gives with the same seed.
    """

    figure = GeneratedFigure
    title = "no likelihood, lower is not better"
    columns = ("average", "standard deviation", "maximum")
    values = {"nats": "the cross-entropy with the image generated in its turn, nats; no likelihood"}

    def images(self, total: int) -> int:
        return min(total, PAIRS)

    def for_card(self, found: Callable[[int], Figure], total: int) -> Figure:
        return found(total)

    def each(self, model: Draw, images: Images, conditions: Conditions) -> dict[str, Tensor]:
        """The cross-entropy of each pair."""
        import torch

        from drawzoo.engine.sampling import CHUNK

        samples, pixels = (torch.Generator().manual_seed(conditions.seed) for _ in range(2))
        total, parts = len(images.pixels), []
        for first in conditions.progress(range(0, total, CHUNK)):
            index = torch.arange(first, min(first + CHUNK, total))
            # From the canvas and not the probabilities, which round to 1 far from 0.5.
            canvas = model.draw(len(index), generator=samples).canvases[-1]
            x = images.batch(index, pixels).to(canvas)
            parts.append(model.likelihood.nats(canvas, x).double().cpu())
        return {"nats": torch.cat(parts)}

    def total(
        self, model: Draw, found: dict[str, Tensor], conditions: Conditions
    ) -> dict[str, Any]:
        """Average, standard deviation and maximum in nats."""
        from drawzoo.evaluation.moments import moments

        mean, std, stderr = moments(found["nats"])
        return {
            "nats_mean": mean,
            "nats_std": std,
            "nats_stderr": stderr,
            "nats_max": round(found["nats"].max().item(), 4),
        }

    def in_words(self, figure: GeneratedFigure) -> str:
        return (
            f"no likelihood: the cross-entropy of generated with unrelated images is "
            f"{plus_minus(figure.nats_mean, figure.nats_stderr)} nats (standard deviation "
            f"{figure.nats_std:.2f}, maximum {figure.nats_max:.2f}; {figure.pairing})"
        )

    def row(self, figure: GeneratedFigure) -> list[str]:
        return [
            plus_minus(figure.nats_mean, figure.nats_stderr),
            f"{figure.nats_std:.2f}",
            f"{figure.nats_max:.2f}",
        ]

    def explanation(self, figures: Sequence[GeneratedFigure]) -> str:
        return f"""\
The binary cross-entropy in nats between the pixel probabilities of a generated image and an
unrelated, binarised test image ({figures[0].pairing}). Surer pixels
give larger values; it is here because a presentation on DRAW gives these columns."""

    def metrics(self, figure: GeneratedFigure) -> list[Metric]:
        name = "of the cross-entropy of generated with unrelated images, no likelihood (nats)"
        return [
            Metric("nats_generated_mean", f"Average {name}", figure.nats_mean),
            Metric("nats_generated_std", f"Standard deviation {name}", figure.nats_std),
            Metric("nats_generated_max", f"Maximum {name}", figure.nats_max),
        ]
