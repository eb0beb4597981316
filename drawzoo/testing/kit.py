"""The checks that a component of any kind goes through, cheapest and most basic first."""

from __future__ import annotations

from typing import Any

from drawzoo.engine.components import Component, Sizes, out_shape
from drawzoo.engine.draw import Draw
from drawzoo.testing import behaviour, density, learning, modes
from drawzoo.testing.bench import Bench
from drawzoo.testing.fault import Fault
from drawzoo.testing.generation import DECODER, LIKELIHOOD, WRITER
from drawzoo.testing.inference import ENCODER, LATENT, READER
from drawzoo.testing.kind import Kind

__all__ = ["check", "check_parts"]

KINDS: tuple[Kind, ...] = (READER, ENCODER, LATENT, DECODER, WRITER, LIKELIHOOD)

SQUARE = (1, 28, 28)
ODD = (3, 9, 14)
"""Three channels, and no square."""
EVEN = (3, 12, 20)
"""The same for maps, which have a half or a quarter of the image's height and width."""

CHECKS = (
    learning.registered,
    behaviour.seeds_nothing,
    behaviour.same_each_time,
    behaviour.interleaved,
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
    stride = _stride(bench)
    bench.fit(kind.sizes(EVEN if stride else ODD, stride))
    behaviour.form(bench)
    for each in CHECKS:
        each(bench)
    if kind is LIKELIHOOD:
        density.normalised(bench)


def _stride(bench: Bench) -> int | None:
    """The stride of its neighbours' maps; None if they give vectors, as most components want.

    Raises:
        Fault: If no neighbours do: the one of the check that came furthest.
    """
    faults: dict[str, list[Fault]] = {"named": [], "called": [], "built": []}
    for stride in (None, 2, 4):
        how_far = "built"
        try:
            bench.fit(bench.kind.sizes(SQUARE, stride))
            how_far = "called"
            behaviour.form(bench)
            return stride
        except Fault as fault:
            # Wrong neighbours make a component raise what it will; a fault has no such cause.
            faults[how_far if fault.__cause__ else "named"].append(fault)
    raise next(found[0] for found in faults.values() if found)


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
        encoder_shape=out_shape(model.encoder) or (),
    )
    for kind in KINDS:
        part = getattr(config, kind.name)
        component = type(getattr(model, kind.name))
        bench = Bench(kind, component, part.config, f"{kind.name} {part.plugin}:{part.name}")
        bench.fit(sizes)
        behaviour.form(bench)
        learning.saving(bench)
