"""Models beside each other: each draws from the same seed, or draws the same image again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from drawzoo import Bound, ConfigError, Counter, Draw, Drawing, Images
from drawzoo.commands import Panel, film, finish
from drawzoo_analysis.reconstruction import observation
from drawzoo_analysis.sheet import Sheet
from drawzoo_analysis.sheets import left_out, roomy, short_name, shown_steps

__all__ = ["Compared", "comparable", "comparison_gif", "comparison_sheet", "draw", "draw_again"]

LONGEST = 36
"""Characters of a name in a picture."""


class Compared(NamedTuple):
    """What one of the models made."""

    name: str
    x: Tensor | None
    """The image as the model saw it, [1, C, H, W]; None where it drew from nothing."""
    drawing: Drawing
    bound: Bound | None
    """Of the image; None without one, or if the likelihood is no density."""


def draw(name: str, model: Draw, num: int, seed: int, rng: str) -> Compared:
    """New drawings, as `drawzoo sample` draws them with the same seed."""
    source = Counter(seed) if rng == "counter" else torch.Generator().manual_seed(seed)
    return Compared(name, None, model.draw(num, generator=source), None)


def draw_again(name: str, model: Draw, image: Images, seed: int, rng: str) -> Compared:
    """One image drawn again, as by `drawzoo reconstruct` with the same seed."""
    x, source = observation(image, 0, seed, rng)
    bound = model.bound(x, generator=source()) if model.likelihood.is_bound else None
    return Compared(name, x, model.reconstruct(x, generator=source()), bound)


def comparable(compared: Sequence[Compared]) -> bool:
    """Whether all models saw the same pixels, so that their bounds are of the same thing."""
    first = compared[0].x
    return first is None or all(one.x is not None and torch.equal(one.x, first) for one in compared)


def comparison_sheet(compared: Sequence[Compared], what: str) -> bytes:
    """A row for each model, PNG: its steps, or if there are several drawings, all of them finished.

    Images of different sizes are shown at whole multiples of their size, in the middle of their
    place.

    Arguments:
        compared: What the models made.
        what: What they made it of, for the title.

    Raises:
        ConfigError: If images have neither one channel nor three.
    """
    longest = max(len(one.drawing.images) for one in compared)
    steps = shown_steps(longest)
    shapes = [one.drawing.images.shape[2:] for one in compared]
    for shape in shapes:
        if shape[0] not in (1, 3):
            raise ConfigError(f"cannot picture {shape[0]} channels; one or three can be")
    channels, height, width = (max(shape[side] for shape in shapes) for side in range(3))
    rows = []
    for one in compared:
        images = one.drawing.images
        if images.shape[1] > 1:
            places: list[Tensor | None] = list(images[-1])
        else:
            places = [images[t, 0] if t < len(images) else None for t in steps]
            places = [*([] if one.x is None else [one.x[0]]), *places, images[-1, 0]]
        rows.append(torch.stack([_place(image, channels, height, width) for image in places]))
    if compared[0].drawing.images.shape[1] > 1:
        columns, notes = [f"drawing {i + 1}" for i in range(rows[0].shape[0])], "finished drawings"
    else:
        seen = [] if compared[0].x is None else ["input"]
        columns = [*seen, *(f"step {t + 1}" for t in steps), "finished"]
        notes = "" if comparable(compared) else "the models do not see the same pixels"
        notes = (notes + left_out(steps, longest)).removeprefix("; ")
    sheet = Sheet(
        torch.stack(rows).numpy(),
        rows=[_label(one) for one in compared],
        columns=columns,
        title=f"{what}, by {len(compared)} models",
        notes=notes,
        scale=roomy(rows[0]),
    )
    return finish(sheet.figure)


def comparison_gif(compared: Sequence[Compared]) -> bytes:
    """The models' drawings beside each other step by step, after the image if there is one.

    Raises:
        ConfigError: If images have neither one channel nor three.
    """
    seen: list[Tensor] = []
    panels = []
    for one in compared:
        x = one.x
        if x is not None and not any(torch.equal(x, other) for other in seen):
            seen.append(x)
            title = "input" if comparable(compared) else f"input of {one.name}"
            panels.append(Panel(Drawing(x[None], x[None], None, None), title, captions=[""]))
    return film([*panels, *(Panel(one.drawing, one.name) for one in compared)])


def _label(one: Compared) -> str:
    name = short_name(one.name, LONGEST)
    return name if one.bound is None else f"{name}\n{one.bound.nats.item():.1f} nats"


def _place(image: Tensor | None, channels: int, height: int, width: int) -> Tensor:
    """An image in the middle of a white place [C, H, W]; NaN without one."""
    if image is None:
        return torch.full((channels, height, width), torch.nan)
    factor = min(height // image.shape[1], width // image.shape[2])
    image = image.expand(channels, -1, -1)
    image = image.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    right, below = width - image.shape[2], height - image.shape[1]
    margins = (right // 2, right - right // 2, below // 2, below - below // 2)
    return pad(image, margins, value=1)
