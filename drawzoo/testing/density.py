"""A check of likelihoods: are the nats −log of a distribution, and the mean its mean?"""

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
    place of a probability: its integral over [0, 1]² is 1, or the one over all numbers. A
    likelihood that cannot be built for images so small is not summed.
    """
    for image in ((1, 1, 2), (1, 2, 1), (2, 1, 1)):
        try:
            bench.fit(bench.kind.sizes(image))
        except Fault:
            continue
        _normalised(bench)


def _normalised(bench: Bench) -> None:
    component: Any = bench.built().double()
    if not component.is_bound:
        return
    canvases = bench.given["canvas"].double()
    with bench.blame("fails on images of two pixels", "sum over all but the batch"):
        takes_grey = _takes_grey(component)
        ones = torch.ones(LEVELS, dtype=torch.float64)
        binary = _moments(component, canvases, ones[:2].cumsum(0) - 1, ones[:2])
        levels = (ones.cumsum(0) - 1) / (LEVELS - 1)
        every = _moments(component, canvases, levels, ones) if takes_grey else binary
    if _is_one(binary[0], 1e-3) and takes_grey:
        bench.fail(
            "is a distribution of binary images, and its check takes grey ones as well",
            "the probabilities of the binary images sum to 1, and check(128/255) refuses nothing",
            "raise drawzoo.errors.ConfigError in check for pixels that are neither 0 nor 1; or say "
            "is_bound = False",
        )
    found = every
    if takes_grey and not _is_one(every[0], 0.02):
        found = _density(component, canvases) or every
    if not _is_one(found[0], 0.05 if takes_grey else 0.02):
        bench.fail(
            "gives nats that are not −log of a distribution",
            f"Σ exp(−nats) of all {LEVELS if takes_grey else 2}² images of two pixels is "
            f"{every[0].max():.3g}, expected 1"
            + (", and as a density its integral is not 1 either" if takes_grey else ""),
            "give −log p(x | canvas), in nats, with all constants, summed over pixels and "
            "channels; or say is_bound = False",
        )
    _check_mean(bench, component, canvases, found[1], exact=not takes_grey)


def _check_mean(
    bench: Bench, component: Any, canvases: Tensor, expected: Tensor, *, exact: bool
) -> None:
    """The mean is what the nats say; of grey levels, whose means are often rough, its sign."""
    with torch.no_grad():
        mean = component.mean(canvases).flatten(1)
    if exact:
        wrong = not torch.allclose(mean, expected, atol=1e-3)
    else:
        wrong = bool(((mean - 0.5) * (expected - 0.5)).sum() < 0)
    if wrong:
        pairs = ", ".join(f"{a:.3g} for {b:.3g}" for a, b in zip(mean[0], expected[0], strict=True))
        bench.fail(
            "has a mean that is another distribution's than its nats",
            f"mean(canvas) of two pixels is {pairs}, by exp(−nats)",
            "give Σ x p(x | canvas): it is shown, and subtracted from the image",
        )


def _is_one(sums: Tensor, tolerance: float) -> bool:
    return bool(((sums - 1).abs() < tolerance).all())


def _density(component: Any, canvases: Tensor) -> tuple[Tensor, Tensor] | None:
    """The moments of a density over [0, 1]², or else over all numbers; None if it is neither."""
    inside = torch.linspace(0, 1, LEVELS + 1, dtype=torch.float64)
    near = torch.linspace(-0.5, 1.5, 2 * LEVELS + 1, dtype=torch.float64)
    far = torch.logspace(0, 3, 45, dtype=torch.float64)[1:]
    for values in (inside, torch.cat([0.5 - far.flip(0), near, 0.5 + far])):
        widths = torch.diff(values)
        zero = widths.new_zeros(1)
        weights = (torch.cat([widths, zero]) + torch.cat([zero, widths])) / 2
        try:
            found = _moments(component, canvases, values, weights)
        except Exception:
            return None  # It computes nothing outside [0, 1].
        if _is_one(found[0], 0.05):
            return found
    return None


def _moments(
    component: Any, canvases: Tensor, values: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Σ w p(x | canvas) and Σ w x p(x | canvas) over all images of two pixels, of each canvas."""
    x, weight = torch.cartesian_prod(values, values), torch.cartesian_prod(weights, weights).prod(1)
    images = x.view(-1, *component.image_shape)
    with torch.no_grad():
        each = [component.nats(c.expand(len(x), *c.shape), images) for c in canvases]
    p = torch.stack([(-nats).exp() * weight for nats in each])
    return p.sum(1), p @ x


def _takes_grey(component: Any) -> bool:
    try:
        component.check(torch.full((1, *component.image_shape), 128 / 255, dtype=torch.float64))
    except DrawzooError:
        return False
    return True
