"""Exported graphs beside the engine, on the same noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from drawzoo import ConfigError, Counter, Draw, DrawzooError, OutputError
from drawzoo_export.formats import Run
from drawzoo_export.tracing import reason

__all__ = ["DRAWINGS", "TOLERANCE", "check", "difference"]

DRAWINGS = 64
"""Drawings that are compared."""
SEED = 0
"""The seed of their noise."""
TOLERANCE = 1e-4
"""The largest difference of two numbers a and b, as |a − b| / max(1, |b|)."""


@torch.no_grad()
def difference(model: Draw, graphs: Mapping[str, Run]) -> float:
    """The largest difference between a model's drawings and the drawings of exported graphs.

    All canvases, images and windows are compared: of the whole drawing, of one drawing alone and of
    all others at once; and of the steps, each from the state that the exported step before gave.

    Arguments:
        model: In evaluation mode.
        graphs: "drawing", and maybe "start" and "step".
    """
    noise = Counter(SEED).noise(range(DRAWINGS), model.steps, model.latent.shape)
    noise = noise.to(model.initial_canvas)
    drawing = model.draw(DRAWINGS, generator=Counter(SEED))
    windows = [torch.stack(window[:5], dim=1) for window in drawing.writes or ()]
    shown = [drawing.images, *([torch.stack(windows)] if windows else [])]
    alone_and_others = [graphs["drawing"](part) for part in (noise[:, :1], noise[:, 1:])]
    whole = [torch.cat(parts, dim=1) for parts in zip(*alone_and_others, strict=True)]
    apart = [_apart(one, other) for one, other in zip(whole, shown, strict=True)]
    if "step" in graphs:
        course = map(torch.stack, zip(*_steps(graphs, noise), strict=True))
        wanted = (drawing.canvases, *shown)
        apart += [_apart(one, other) for one, other in zip(course, wanted, strict=True)]
    return max(apart)


def check(model: Draw, graphs: Mapping[str, Run]) -> float:
    """As `difference`.

    Raises:
        ConfigError: If the graphs do not run.
        OutputError: If the difference is larger than `TOLERANCE`.
    """
    try:
        found = difference(model, graphs)
    except DrawzooError:
        raise
    except Exception as error:  # a runtime's, of many kinds
        raise ConfigError(
            f"{model.name} cannot be exported: what was exported does not run: "
            f"{reason(error)[:120]}; a component must give the same shapes at each step"
        ) from error
    if found > TOLERANCE:
        raise OutputError(
            f"{model.name}: what was exported draws otherwise than drawzoo, by up to {found:.2g} "
            f"on {DRAWINGS} drawings, and {TOLERANCE:g} is allowed; nothing was written"
        )
    return found


def _steps(graphs: Mapping[str, Run], noise: Tensor) -> Iterator[list[Tensor]]:
    """The canvas after each step, and what the step shows."""
    state = [part.repeat_interleave(DRAWINGS, dim=0) for part in graphs["start"]()]
    for noise_t in noise:
        results = list(graphs["step"](noise_t, *state))
        state, shown = results[: len(state)], results[len(state) :]
        yield [state[0], *shown]


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors; infinite if the shapes differ, or there is NaN."""
    if one.shape != other.shape:
        return math.inf
    apart = (one - other).abs() / other.abs().clamp_min(1)
    return float(apart.nan_to_num(math.inf).max())
