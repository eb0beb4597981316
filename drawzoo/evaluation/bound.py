"""The `bound` protocol: the negative log-likelihood bound over a whole split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from drawzoo.evaluation.protocol import Conditions, Metric, Progress, Protocol
from drawzoo.schema.figures import Figure, bits, plus_minus

if TYPE_CHECKING:
    from torch import Tensor

    from drawzoo.data.images import Images
    from drawzoo.engine.draw import Draw
    from drawzoo.engine.world import World

__all__ = ["Bound", "BoundFigure", "bound_parts"]

BATCH = 250


class BoundFigure(Figure, frozen=True, kw_only=True, tag="bound"):
    """The negative log-likelihood bound, from one sample of the codes an image."""

    nats_mean: float
    """Per image."""
    nats_std: float
    """Between images."""
    nats_stderr: float
    """Of the mean."""
    kl: float
    reconstruction: float
    bits_per_dimension: float | None = None
    """`nats_mean` / (C H W ln 2), for images of 256 levels."""


class Bound(Protocol):
    """The mean of the bound over the images, one sample of the codes each, in nats per image."""

    figure = BoundFigure
    title = "nats per image, lower is better"
    columns = ("nats", "KL", "reconstruction")
    values = {
        "nats": "the bound, nats",
        "kl": "the KL of all steps, nats",
        "reconstruction": "the reconstruction, nats",
        "bits_per_dimension": "the bound in bits per dimension, where it is told so",
    }

    def applies(self, model: Draw) -> bool:
        return model.likelihood.is_bound

    def each(self, model: Draw, images: Images, conditions: Conditions) -> dict[str, Tensor]:
        """The bound of each image and its two parts."""
        from drawzoo.evaluation.moments import with_bits

        parts = bound_parts(model, images, conditions.seed, conditions.progress, conditions.world)
        return with_bits(model, dict(zip(("nats", "kl", "reconstruction"), parts, strict=True)))

    def total(
        self, model: Draw, found: dict[str, Tensor], conditions: Conditions
    ) -> dict[str, Any]:
        """Means, with the standard deviation between images and the standard error."""
        from drawzoo.evaluation.moments import bits_per_dimension, moments

        mean, std, stderr = moments(found["nats"])
        return {
            "nats_mean": mean,
            "nats_std": std,
            "nats_stderr": stderr,
            "kl": round(found["kl"].mean().item(), 4),
            "reconstruction": round(found["reconstruction"].mean().item(), 4),
            "bits_per_dimension": bits_per_dimension(model, mean),
        }

    def in_words(self, figure: BoundFigure) -> str:
        return (
            f"{plus_minus(figure.nats_mean, figure.nats_stderr)} nats per image"
            f"{bits(figure.bits_per_dimension)} ({figure.kl:.2f} KL + "
            f"{figure.reconstruction:.2f} reconstruction; standard deviation "
            f"{figure.nats_std:.2f})"
        )

    def row(self, figure: BoundFigure) -> list[str]:
        return [
            plus_minus(figure.nats_mean, figure.nats_stderr) + bits(figure.bits_per_dimension),
            f"{figure.kl:.2f}",
            f"{figure.reconstruction:.2f}",
        ]

    def explanation(self, figures: Sequence[BoundFigure]) -> str:
        return (
            "The negative log-likelihood bound (the negative ELBO), from one sample of the codes "
            "an image."
        )

    def metrics(self, figure: BoundFigure) -> list[Metric]:
        name = "Negative log-likelihood bound, protocol bound"
        found = [Metric("nats_bound", f"{name} (nats)", figure.nats_mean)]
        if (value := figure.bits_per_dimension) is not None:
            found.append(Metric("bits_per_dimension", f"{name} (bits per dimension)", value))
        return found


def bound_parts(
    model: Draw,
    images: Images,
    seed: int,
    progress: Progress = iter,
    world: World | None = None,
) -> Tensor:
    """The bound, the KL and the reconstruction of every image in nats, float64, [3, N].

    Arguments:
        model: The model.
        images: The images.
        seed: Of binarisation and noise.
        progress: Wraps the sequence of batches.
        world: The processes that share the batches; all get the result of one.
    """
    import torch

    from drawzoo.engine.world import ALONE

    world = world or ALONE
    generator = torch.Generator().manual_seed(seed)
    total = len(images.pixels)
    # Nats, KL and reconstruction of each image; zero for images of other processes.
    parts = torch.zeros(3, total, dtype=torch.float64, device=model.initial_canvas.device)
    for first in progress(range(0, total, BATCH)):
        index = torch.arange(first, min(first + BATCH, total))
        x = images.batch(index, generator)
        if first // BATCH % world.size != world.rank:
            # What the batch would draw is drawn, so that the next one's is the same as in one.
            model.noise(len(x), model.steps, generator)
            continue
        bound = model.bound(x, generator=generator)
        parts[:, index] = torch.stack(
            [bound.nats, bound.kl.sum(dim=0), bound.reconstruction]
        ).double()
    return world.sum(parts).cpu()
