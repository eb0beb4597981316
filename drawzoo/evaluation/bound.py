"""The `bound` protocol: the negative log-likelihood bound over a whole split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from drawzoo.evaluation.protocol import Metric, Progress, Protocol
from drawzoo.figures import Figure, plus_minus

if TYPE_CHECKING:
    from torch import Tensor

    from drawzoo.data.images import Images
    from drawzoo.distributed import World
    from drawzoo.draw import Draw

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


class Bound(Protocol):
    """The mean of the bound over the images, one sample of the codes each, in nats per image."""

    figure = BoundFigure
    title = "nats per image, lower is better"
    columns = ("nats", "KL", "reconstruction")

    def applies(self, model: Draw) -> bool:
        return model.likelihood.is_bound

    def measure(
        self,
        model: Draw,
        images: Images,
        *,
        dataset: str,
        seed: int,
        progress: Progress,
        world: World,
        **settings: Any,
    ) -> dict[str, Any]:
        """Means, with the standard deviation between images and the standard error."""
        from drawzoo.evaluation.common import moments

        nats, kl, reconstruction = bound_parts(model, images, seed, progress, world)
        mean, std, stderr = moments(nats)
        return {
            "nats_mean": mean,
            "nats_std": std,
            "nats_stderr": stderr,
            "kl": round(kl.mean().item(), 4),
            "reconstruction": round(reconstruction.mean().item(), 4),
        }

    def in_words(self, figure: BoundFigure) -> str:
        return (
            f"{plus_minus(figure.nats_mean, figure.nats_stderr)} nats per image "
            f"({figure.kl:.2f} KL + {figure.reconstruction:.2f} reconstruction; standard "
            f"deviation {figure.nats_std:.2f})"
        )

    def row(self, figure: BoundFigure) -> list[str]:
        return [
            plus_minus(figure.nats_mean, figure.nats_stderr),
            f"{figure.kl:.2f}",
            f"{figure.reconstruction:.2f}",
        ]

    def explanation(self, figures: Sequence[BoundFigure]) -> str:
        return (
            "The negative log-likelihood bound (the negative ELBO), from one sample of the codes "
            "an image."
        )

    def metrics(self, figure: BoundFigure) -> list[Metric]:
        name = "Negative log-likelihood bound, protocol bound (nats)"
        return [Metric("nats_bound", name, figure.nats_mean)]


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

    from drawzoo.distributed import ALONE

    world = world or ALONE
    generator = torch.Generator().manual_seed(seed)
    total = len(images.pixels)
    # Nats, KL and reconstruction of each image; zeros for those of other processes.
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
