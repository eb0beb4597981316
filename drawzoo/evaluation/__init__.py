"""The evaluation protocols: what is measured on a model, and how. Free of torch.

`bound` and `iwae` are bounds of the negative log-likelihood in nats per image, lower is better.
`generated` is the figure of a presentation on DRAW, which is no likelihood. `quality` looks at
samples through a classifier of digits. `accuracy` is for models whose encoder classifies. None but
the last needs labels. Every figure depends on the model, the images and the seed alone.

Each is one object in a file of its own, registered as a plugin's would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo.registry.hookspecs import hookimpl

if TYPE_CHECKING:
    from drawzoo.registry.registry import Registrar


@hookimpl
def register_protocols(register: Registrar) -> None:
    """Gives the protocols of the core."""
    register(
        "bound",
        "drawzoo.evaluation.bound:Bound",
        summary="the negative log-likelihood bound in nats per image (lower is better), from one "
        "sample of the latent codes, with its two parts, the KL and the reconstruction",
    )
    register(
        "iwae",
        "drawzoo.evaluation.iwae:ImportanceWeighted",
        summary="the importance-weighted bound from k samples, which is closer to the likelihood "
        "the larger k is",
    )
    register(
        "generated",
        "drawzoo.evaluation.generated:Generated",
        summary="the cross-entropy between the pixel probabilities of generated images and "
        "unrelated images; average, standard deviation, maximum. It is no likelihood, and lower "
        "is not better",
    )
    register(
        "quality",
        "drawzoo.evaluation.quality:Quality",
        summary="the Fréchet distance (lower is better) between generated and real digits in the "
        "features of a classifier, its confidence, and how many samples it takes for each digit",
    )
    register(
        "accuracy",
        "drawzoo.evaluation.accuracy:Accuracy",
        summary="the share of images that a model with a supervised encoder classifies correctly",
    )
