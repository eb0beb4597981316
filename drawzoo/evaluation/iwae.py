"""The `iwae` protocol: the importance-weighted bound.

References:
    | Importance Weighted Autoencoders (Burda et al., 2016)
    | https://arxiv.org/abs/1509.00519
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from drawzoo.evaluation.protocol import Conditions, Metric, Progress, Protocol
from drawzoo.schema.figures import Figure, bits, plus_minus

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from drawzoo.data.images import Images
    from drawzoo.engine.draw import Draw
    from drawzoo.engine.world import World

__all__ = ["ImportanceWeighted", "IwaeFigure"]

ROWS = 1_000
"""Samples in one forward pass: it bounds the memory, whatever k is."""

BLOCK = 10
"""Samples of an image whose noise is drawn at once."""

CARD_IMAGES = 2_500
"""Images on a card."""

CARD_ERROR = 0.5
"""Nats: where the standard error on a card is not below, twice the images are taken."""


class IwaeFigure(Figure, frozen=True, kw_only=True, tag="iwae"):
    """The importance-weighted bound, which is tighter, from k samples of the codes an image."""

    k: int
    nats_mean: float
    nats_std: float
    nats_stderr: float
    bound_mean: float
    """The bound on the same images, the mean over the same samples."""
    bound_stderr: float
    bits_per_dimension: float | None = None
    """`nats_mean` / (C H W ln 2), for images of 256 levels."""


class ImportanceWeighted(Protocol):
    r"""The mean over images of −log (1/k) Σ_j w_j, from k samples of the codes an image.

    Every image has a generator of its own, from which its binarisation and then the noise of its
    samples are drawn, always in blocks of the same size. So neither the size of a forward pass nor
    the number of images changes what an image gives, and k samples are the beginning of the same
    longer sequence.
    """

    figure = IwaeFigure
    title = "nats per image, lower is better"
    columns = ("k", "nats", "bound on the same images")
    settings = {"k": 100}
    values = {
        "nats": "the importance-weighted bound, nats",
        "bound": "the bound, the mean over the same samples, nats",
        "bits_per_dimension": "the importance-weighted bound in bits per dimension, where it is "
        "told so",
    }

    def applies(self, model: Draw) -> bool:
        return model.likelihood.is_bound

    def each(self, model: Draw, images: Images, conditions: Conditions) -> dict[str, Tensor]:
        """Both bounds of each image."""
        from drawzoo.evaluation.moments import with_bits

        _, seed, progress, world, settings = conditions
        tight, loose = iwae_parts(model, images, settings["k"], seed, progress, world)
        return with_bits(model, {"nats": tight, "bound": loose})

    def total(
        self, model: Draw, found: dict[str, Tensor], conditions: Conditions
    ) -> dict[str, Any]:
        """Both bounds on the same images, with standard errors."""
        from drawzoo.evaluation.moments import bits_per_dimension, moments

        bound, (mean, std, stderr) = moments(found["bound"]), moments(found["nats"])
        return {
            "k": conditions.settings["k"],
            "nats_mean": mean,
            "nats_std": std,
            "nats_stderr": stderr,
            "bound_mean": bound.mean,
            "bound_stderr": bound.stderr,
            "bits_per_dimension": bits_per_dimension(model, mean),
        }

    def for_card(self, found: Callable[[int], Figure], total: int) -> Figure:
        figure: Any = found(min(total, CARD_IMAGES))
        if figure.nats_stderr >= CARD_ERROR and figure.images < total:
            figure = found(min(total, 2 * CARD_IMAGES))
        return figure  # type: ignore[no-any-return]

    def in_words(self, figure: IwaeFigure) -> str:
        return (
            f"{plus_minus(figure.nats_mean, figure.nats_stderr)} nats per image"
            f"{bits(figure.bits_per_dimension)} with k={figure.k} (the bound on the same images "
            f"{plus_minus(figure.bound_mean, figure.bound_stderr)})"
        )

    def row(self, figure: IwaeFigure) -> list[str]:
        return [
            str(figure.k),
            plus_minus(figure.nats_mean, figure.nats_stderr) + bits(figure.bits_per_dimension),
            plus_minus(figure.bound_mean, figure.bound_stderr),
        ]

    def explanation(self, figures: Sequence[IwaeFigure]) -> str:
        return (
            "The importance-weighted bound (Burda et al., 2016) from k samples an image: closer "
            "to the true\nnegative log-likelihood than the bound and, on average, still above it."
        )

    def metrics(self, figure: IwaeFigure) -> list[Metric]:
        name = f"Importance-weighted bound, protocol iwae, k={figure.k} (nats)"
        return [Metric("nats_iwae", name, figure.nats_mean)]


def iwae_parts(
    model: Draw,
    images: Images,
    k: int,
    seed: int,
    progress: Progress = iter,
    world: World | None = None,
    rows: int = ROWS,
) -> Tensor:
    """The importance-weighted bound and the bound of every image in nats, float64, [2, N].

    Arguments:
        model: The model.
        images: The images.
        k: Samples an image.
        seed: Of binarisation and noise.
        progress: Wraps the sequence of forward passes.
        world: The processes that share the images; all get the result of one.
        rows: Samples in one forward pass at most, of several images or of a part of the k.
    """
    import torch

    from drawzoo.engine.world import ALONE

    world = world or ALONE
    source = torch.Generator().manual_seed(seed)
    at_once, total = max(1, rows // k), len(images.pixels)
    part = max(1, rows // BLOCK) * BLOCK
    passes = math.ceil(total / at_once) * math.ceil(k / part)
    advance = iter(progress(range(passes)))
    # The two bounds of each image; zero for images of other processes.
    parts = torch.zeros(2, total, dtype=torch.float64, device=model.initial_canvas.device)
    for first in range(0, total, at_once):
        index = torch.arange(first, min(first + at_once, total))
        generators = [
            torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=source)))
            for _ in index
        ]
        if first // at_once % world.size != world.rank:
            continue
        pairs = zip(index, generators, strict=True)
        x = torch.cat([images.batch(i.view(1), generator) for i, generator in pairs])
        weights = []
        for start in range(0, k, part):
            next(advance)
            noise = _noise(model, min(part, k - start), generators)
            weights.append(model.log_weights(x, noise).double())
        log_w = torch.cat(weights)
        parts[:, index] = torch.stack([math.log(k) - log_w.logsumexp(dim=0), -log_w.mean(dim=0)])
    for _ in advance:
        pass  # what other processes did
    return world.sum(parts).cpu()


def _noise(model: Draw, samples: int, generators: list[torch.Generator]) -> Tensor:
    """The next noise of each image, [T, K, B, Z]."""
    import torch

    # torch's stream of normal numbers depends on how many are asked for at once.
    blocks = [
        torch.stack([model.noise(BLOCK, model.steps, g) for g in generators], dim=2)
        for _ in range(0, samples, BLOCK)
    ]
    return torch.cat(blocks, dim=1)[:, :samples]
