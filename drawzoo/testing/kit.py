"""The checks that a component of any kind goes through, cheapest and most basic first."""

from __future__ import annotations

from drawzoo.components import Component
from drawzoo.testing import behaviour, learning, modes
from drawzoo.testing.bench import Bench
from drawzoo.testing.kinds import Kind

__all__ = ["check"]

IMAGES = ((1, 28, 28), (3, 9, 14))
"""One channel and three, a square and none."""

CHECKS = (
    behaviour.same_each_time,
    modes.meta,
    behaviour.batch,
    behaviour.finite,
    behaviour.double,
    behaviour.uses,
    learning.gradients,
    learning.first_step,
    learning.saving,
    learning.training,
    modes.graph,
)


def check(kind: Kind, component: type[Component], settings: dict[str, object]) -> None:
    """Checks a component of a kind, built with these settings.

    Raises:
        Fault: At the first check that fails.
    """
    bench = Bench(kind, component, settings)
    for image in IMAGES:
        bench.fit(image)
        behaviour.form(bench)
    for each in CHECKS:
        each(bench)
