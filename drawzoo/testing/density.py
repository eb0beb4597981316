"""A check of likelihoods: are the nats −log of a distribution?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drawzoo.errors import DrawzooError
from drawzoo.testing.bench import Bench
from drawzoo.testing.fault import Fault

__all__ = ["normalised"]

LEVELS = 256


def normalised(bench: Bench) -> None:
    """The probabilities of all images of two numbers sum to 1, if the nats are a bound.

    The two are side by side, one above the other, or two channels.

    Pixels have 256 levels, or two if `check` refuses others. A likelihood may be a density in the
    place of a probability: its integral over [0, 1]² is at most 1. A likelihood that cannot be
    built for images so small is not summed.
    """
    for image in ((1, 1, 2), (1, 2, 1), (2, 1, 1)):
        try:
            bench.fit(bench.kind.sizes(image, maps=False))
        except Fault:
            continue
        _normalised(bench)


def _normalised(bench: Bench) -> None:
    component: Any = bench.built().double()
    if not component.is_bound:
        return
    with bench.blame("fails on images of two pixels", "sum over all but the batch"):
        binary = _sums(component, bench.given["canvas"], 2)
        is_binary = bool(((binary - 1).abs() < 1e-3).all())
        takes_grey = _takes_grey(component)
        every = _sums(component, bench.given["canvas"], LEVELS) if takes_grey else binary
    if is_binary and takes_grey:
        bench.fail(
            "is a distribution of binary images, and its check takes grey ones as well",
            "the probabilities of the binary images sum to 1, and check(128/255) refuses nothing",
            "raise drawzoo.errors.ConfigError in check for pixels that are neither 0 nor 1; or say "
            "is_bound = False",
        )
    is_mass = bool(((every - 1).abs() < 0.02).all())
    is_density = takes_grey and bool((every / LEVELS**2 < 1.05).all())
    if not is_mass and not is_density:
        levels = LEVELS if takes_grey else 2
        bench.fail(
            "gives nats that are not −log of a distribution",
            f"Σ exp(−nats) of all {levels}² images of two pixels with {levels} levels is "
            f"{every.max():.3g}, expected 1",
            "give −log p(x | canvas), in nats, summed over pixels and channels; or say "
            "is_bound = False",
        )


def _sums(component: Any, canvas: Tensor, levels: int) -> Tensor:
    """Σ p(x | canvas) over all images of two pixels, of each canvas."""
    values = torch.linspace(0, 1, levels, dtype=torch.float64)
    x = torch.cartesian_prod(values, values).view(-1, *component.image_shape)
    with torch.no_grad():
        each = [component.nats(c.double().expand(len(x), *c.shape), x) for c in canvas]
    return torch.stack([(-nats).exp().sum() for nats in each])


def _takes_grey(component: Any) -> bool:
    try:
        component.check(torch.full((1, *component.image_shape), 128 / 255, dtype=torch.float64))
    except DrawzooError:
        return False
    return True
