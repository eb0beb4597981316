"""Two models on the same images: the difference of their bounds, image by image."""

from __future__ import annotations

from drawzoo.data.images import Images
from drawzoo.engine.draw import Draw
from drawzoo.evaluation.bound import bound_parts
from drawzoo.evaluation.moments import moments
from drawzoo.evaluation.protocol import Progress
from drawzoo.schema.base import Config

__all__ = ["Comparison", "compare"]


class Comparison(Config, frozen=True, kw_only=True):
    """By how many nats an image a model's bound is below another's."""

    images: int
    seed: int
    nats_better: float
    """The mean over images; positive where the model is the better one."""
    nats_stderr: float
    """Standard error of the mean difference. It is smaller than the standard errors of the two
    bounds, since images that are hard for one model are hard for the other."""


def compare(
    model: Draw, against: Draw, images: Images, *, seed: int = 0, progress: Progress = iter
) -> Comparison:
    """Compares the bounds of two models, each as protocol `bound` measures it.

    Models with the same T and the same dimension of z also see the same binarisation and noise.

    Arguments:
        model: The model.
        against: What it is compared with.
        images: The images.
        seed: Of binarisation and noise.
        progress: Wraps the sequence of batches of each.
    """
    better = bound_parts(against, images, seed, progress)[0]
    better -= bound_parts(model, images, seed, progress)[0]
    mean, _, stderr = moments(better)
    return Comparison(images=len(better), seed=seed, nats_better=mean, nats_stderr=stderr)
