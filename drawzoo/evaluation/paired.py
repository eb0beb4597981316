"""Two models on the same images: the difference of their bounds, image by image."""

from __future__ import annotations

from torch import Tensor

from drawzoo.data.images import Images
from drawzoo.engine.draw import Draw
from drawzoo.evaluation.bound import bound_parts
from drawzoo.evaluation.moments import moments
from drawzoo.evaluation.protocol import Progress
from drawzoo.schema.base import Config

__all__ = ["VALUES", "Comparison", "compare", "differences"]

VALUES = {
    "nats": "the model's bound, nats",
    "nats_against": "the other model's, nats",
    "nats_better": "by how much the model's is lower, nats",
}
"""What `differences` finds of an image."""


class Comparison(Config, frozen=True, kw_only=True):
    """By how many nats an image a model's bound is below another's."""

    images: int
    seed: int
    nats_better: float
    """The mean over images; positive where the model is the better one."""
    nats_stderr: float
    """Standard error of the mean difference. It is smaller than the standard errors of the two
    bounds, since images that are hard for one model are hard for the other."""


def differences(
    model: Draw, against: Draw, images: Images, *, seed: int = 0, progress: Progress = iter
) -> dict[str, Tensor]:
    """`VALUES` of every image, float64 [N], each bound as protocol `bound` measures it.

    Models with the same T and the same dimension of z also see the same binarisation and noise.

    Arguments:
        model: The model.
        against: What it is compared with.
        images: The images.
        seed: Of binarisation and noise.
        progress: Wraps the sequence of batches of each.
    """
    theirs = bound_parts(against, images, seed, progress)[0]
    ours = bound_parts(model, images, seed, progress)[0]
    return {"nats": ours, "nats_against": theirs, "nats_better": theirs - ours}


def compare(found: dict[str, Tensor], seed: int) -> Comparison:
    """What `differences` with that seed come to."""
    better = found["nats_better"]
    mean, _, stderr = moments(better)
    return Comparison(images=len(better), seed=seed, nats_better=mean, nats_stderr=stderr)
