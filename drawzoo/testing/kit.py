"""The checks that a component of any kind goes through, cheapest and most basic first."""

from __future__ import annotations

from typing import Any

from drawzoo.components import Component, Sizes, out_shape
from drawzoo.draw import Draw
from drawzoo.testing import behaviour, learning, modes
from drawzoo.testing.bench import Bench
from drawzoo.testing.kinds import KINDS, Kind

__all__ = ["check", "check_parts"]

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


def check(kind: Kind, component: type[Component], settings: dict[str, Any]) -> None:
    """Checks a component of a kind, built with these settings.

    Raises:
        Fault: At the first check that fails.
    """
    bench = Bench(kind, component, settings)
    for image in IMAGES:
        bench.fit(kind.sizes(image))
        behaviour.form(bench)
    for each in CHECKS:
        each(bench)


def check_parts(model: Draw) -> None:
    """The cheap half of the checks, of all components of a model at its own sizes.

    Raises:
        Fault: At the first check that fails.
    """
    config = model.config
    sizes = Sizes(
        image=config.image,
        canvas=model.likelihood.canvas_shape,
        latent_shape=model.latent.shape,
        decoder_shape=out_shape(model.decoder) or (),
        glimpse_shape=out_shape(model.reader) or (),
    )
    for kind in KINDS:
        part = getattr(config, kind.name)
        component = type(getattr(model, kind.name))
        bench = Bench(kind, component, part.config, f"{kind.name} {part.plugin}:{part.name}")
        bench.fit(sizes)
        behaviour.form(bench)
        learning.saving(bench)
