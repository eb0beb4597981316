"""The picture of each analysis, as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from drawzoo import Drawing
from drawzoo.commands import DPI, finish
from drawzoo_analysis.effects import StepEffects
from drawzoo_analysis.filters import Filters
from drawzoo_analysis.parameters import Part, Versus
from drawzoo_analysis.path import path
from drawzoo_analysis.reconstruction import Reconstruction
from drawzoo_analysis.sheet import READ, WRITE, Array, Sheet

__all__ = [
    "attention_sheet",
    "interpolation_sheet",
    "left_out",
    "filters_plot",
    "parameters_plot",
    "reconstruction_sheet",
    "roomy",
    "short_name",
    "shown_steps",
    "steps_sheet",
]

MOST = 16
"""Steps that are shown; of more, that many are chosen."""
BAR = "#4878a8"
CHARTS = 380
"""Room for the charts beside a sheet, in screen pixels."""
WIDEST = 14
"""Of a row of charts, in inches."""


def reconstruction_sheet(
    results: Sequence[Reconstruction], names: Sequence[str], model: str
) -> bytes:
    """A row for each image: as it is, as the model saw it, and its canvas after each step."""
    steps = shown_steps(len(results[0].drawing.images))
    # Binary images and colour images are seen as they are.
    greys = any(not torch.equal(r.grey, r.x) for r in results)
    rows = [
        torch.cat([*([r.grey] if greys else []), r.x, r.drawing.images[steps, 0]]) for r in results
    ]
    sheet = Sheet(
        torch.stack(rows).numpy(),
        rows=[
            f"{short_name(name)}\n{r.bound.nats.item():.1f} nats"
            for name, r in zip(names, results, strict=True)
        ],
        columns=[*(["image"] if greys else []), "input", *(f"step {t + 1}" for t in steps)],
        title=f"{model}: drawn again, step by step",
        notes="nats: the negative log-likelihood bound of the image, lower is better"
        + left_out(steps, len(results[0].drawing.images)),
        scale=roomy(results[0].x),
    )
    return finish(sheet.figure)


def interpolation_sheet(
    drawings: dict[str, Drawing],
    ends: tuple[Tensor, Tensor] | None,
    names: tuple[str, str],
    model: str,
) -> bytes:
    """A row for each method, from one code to the other, between the inputs if there are any.

    Arguments:
        drawings: What `analysis.interpolation.interpolate` gives.
        ends: The two images that were encoded, [1, C, H, W].
        names: What the ends are called.
        model: The model's name.
    """
    images = torch.stack([drawing.images[-1] for drawing in drawings.values()])
    num = images.shape[1]
    labels = [f"{i / (num - 1):.2g}" for i in range(num)]
    if ends is not None:
        start, end = (x.expand(len(images), 1, *x.shape[1:]) for x in ends)
        images = torch.cat([start, images, end], dim=1)
        labels = ["input", *labels, "input"]
    sheet = Sheet(
        images.numpy(),
        rows=list(drawings),
        columns=labels,
        title=f"{model}: from {names[0]} to {names[1]}, between their latent codes",
        scale=roomy(images[0]),
    )
    return finish(sheet.figure)


def steps_sheet(
    finished: Tensor,
    zero: Tensor,
    replaced: Tensor,
    effects: StepEffects,
    name: str,
    model: str,
) -> bytes:
    """A row for each step: the image without its code, with others, and charts of its part.

    Arguments:
        finished: The image as it is drawn with all codes, [1, C, H, W].
        zero: The same with z_t = 0, [T, 1, C, H, W].
        replaced: The same with z_t drawn anew, [T, V, C, H, W].
        effects: The effects over many images.
        name: What to call the image.
        model: The model's name.
    """
    steps = shown_steps(len(zero))
    rgb = (len(steps), -1, 3, *finished.shape[2:])
    images = torch.cat(
        [
            finished.expand(rgb),
            zero[steps].expand(rgb),
            _signed((zero[steps] - finished).mean(dim=2)),
            replaced[steps].expand(rgb),
        ],
        dim=1,
    )
    labels = ["drawn", "$z_t = 0$", "change", *[""] * replaced.shape[1]]
    labels[3 + (replaced.shape[1] - 1) // 2] = "$z_t$ drawn anew from the prior"
    sheet = Sheet(
        images.numpy(),
        rows=[f"t = {t + 1}" for t in steps],
        columns=labels,
        title=f"{model}, {short_name(name)}: the code of one step replaced, all others held",
        notes=f"change: with $z_t = 0$, red brighter, blue darker; charts: means over "
        f"{effects.nats.shape[1]} images ± standard errors, of the absolute change of a pixel"
        + left_out(steps, len(zero)),
        scale=roomy(finished),
        right=CHARTS + 24,
    )
    charts = (
        ("$KL(Q_t \\| P)$, nats", {BAR: effects.nats}),
        ("change of a pixel", {"#d08050": effects.removed, "#70a868": effects.replaced}),
    )
    for column, (title, series) in enumerate(charts):
        axes = sheet.chart(column, len(charts), CHARTS, title)
        _bars(axes, sheet, steps, series)
    axes.legend(["$z_t = 0$", "drawn anew"], fontsize=7.5, frameon=False, loc="best")
    return finish(sheet.figure)


def _signed(change: Tensor) -> Tensor:
    """Changes [..., H, W] as colours [..., 3, H, W]: from blue (-1/2) over white to red (1/2)."""
    strength = (2 * change).clamp(-1, 1)
    red, blue = 1 + strength.clamp(max=0), 1 - strength.clamp(min=0)
    return torch.stack([red, torch.minimum(red, blue), blue], dim=-3)


def _bars(axes: Axes, sheet: Sheet, steps: list[int], series: dict[str, Tensor]) -> None:
    thick = 0.6 * sheet.step[0] / len(series)
    for place, (colour, values) in enumerate(series.items()):
        shift = (place - (len(series) - 1) / 2) * thick
        error = values.std(dim=1, correction=0) / values.shape[1] ** 0.5
        axes.barh(
            [sheet.middle(row) + shift for row in range(len(steps))],
            values.mean(dim=1)[steps].numpy(),
            xerr=error[steps].numpy(),
            height=thick,
            color=colour,
            error_kw={"lw": 0.8},
        )


def attention_sheet(
    inputs: Tensor, drawn: Drawing, sampled: Drawing, names: Sequence[str], model: str
) -> bytes:
    """Windows on the canvas at each step, and their paths on the finished image.

    Arguments:
        inputs: The images that were drawn again, [N, C, H, W].
        drawn: How they were.
        sampled: Drawings of new images.
        names: What to call the inputs.
        model: The model's name.
    """
    steps = shown_steps(len(drawn.images))
    num, fresh = len(inputs), sampled.images.shape[1]
    first = torch.cat([inputs, torch.full((fresh, *inputs.shape[1:]), torch.nan)])
    course = torch.cat([drawn.images, sampled.images], dim=1)
    images = torch.stack([first, *course[steps], course[-1]], dim=1)
    has = {READ: drawn.reads is not None, WRITE: drawn.writes is not None}
    what = {READ: "blue: read through", WRITE: "red: written through"}
    centres = {READ: "the input", WRITE: "the finished image"}
    sheet = Sheet(
        images.numpy(),
        rows=[*map(short_name, names), *(f"new {i + 1}" for i in range(fresh))],
        columns=["input", *(f"step {t + 1}" for t in steps), "finished"],
        title=f"{model}: where it looks and where it draws",
        notes="; ".join(text for colour, text in what.items() if has[colour])
        + ", on the canvas after the step; the windows' centres, from the ring on, on "
        + " and ".join(text for colour, text in centres.items() if has[colour])
        + left_out(steps, len(drawn.images)),
        scale=roomy(inputs),
    )
    for windows, colour, row, images_of, column in (
        (drawn.reads, READ, 0, num, 0),
        (drawn.writes, WRITE, 0, num, len(steps) + 1),
        (sampled.writes, WRITE, num, fresh, len(steps) + 1),
    ):
        for index in range(images_of if windows else 0):
            looks = path(windows or [], index)
            for place, t in enumerate(steps):
                over = colour == WRITE and row == 0 and has[READ]
                sheet.box(row + index, place + 1, looks[t].box, colour, dashed=over)
            # Numbered from 1, a pixel's centre is half a pixel before its number.
            centre_points = [(look.gx - 0.5, look.gy - 0.5) for look in looks]
            sheet.course(row + index, column, centre_points, colour)
    return finish(sheet.figure)


def filters_plot(found: dict[str, Filters]) -> bytes:
    """The filters of each model, the strongest first, on one scale, symmetric about 0."""
    blocks = [
        (name, filters, channel)
        for name, filters in found.items()
        for channel in range(filters.weight.shape[1])
    ]
    down = max(-(-len(filters.weight) // _across(filters)) for filters in found.values())
    size = (5.2 * len(blocks), 1.2 + 0.6 * down)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    for axes, (name, filters, channel) in zip(
        figure.subplots(1, len(blocks), squeeze=False)[0], blocks, strict=True
    ):
        outputs, inputs, height, width = filters.weight.shape
        limit = max(filters.weight.abs().max().item(), 1e-12)
        shown = axes.imshow(
            _tiles(filters, channel),
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
        )
        axes.set(xticks=[], yticks=[], facecolor="0.8")
        of = "" if inputs == 1 else f"\ninput channel {channel + 1}"
        title = f"{name}\n{filters.layer}: {outputs} filters {height}×{width}{of}"
        axes.set_title(f"{title}, the strongest first", fontsize=10, parse_math=False)
        # Beside the panel, and as tall, whatever the panel's shape.
        beside = axes.inset_axes((1.03, 0, 0.04, 1))
        bar = figure.colorbar(shown, cax=beside)
        ends = (f"{-limit:.2f}\nnegative", "0", f"{limit:.2f}\npositive")
        bar.set_ticks([-limit, 0, limit], labels=ends)
        bar.ax.tick_params(labelsize=8)
    return finish(figure, chart=True)


def _across(filters: Filters) -> int:
    outputs = len(filters.weight)
    return math.ceil(math.sqrt(outputs)) if outputs % 8 else 8


def _tiles(filters: Filters, channel: int) -> Array:
    """The filters of one input channel side by side, with NaN between."""
    outputs, _, height, width = filters.weight.shape
    across = _across(filters)
    tiles = np.full((-(-outputs // across) * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    order = filters.weight.flatten(1).norm(dim=1).argsort(descending=True)
    for index, one in enumerate(filters.weight[order, channel].numpy()):
        row, column = divmod(index, across)
        y, x = row * (height + 1), column * (width + 1)
        tiles[y : y + height, x : x + width] = one
    return tiles


def parameters_plot(models: dict[str, list[Part]], versus: Versus | None) -> bytes:
    """Charts: parameters and their size by part, spectra of each model, bounds if given."""
    upper = 2 if versus is None else 3
    across = max(upper, len(models))
    figure = Figure(figsize=(min(4.4 * across, WIDEST), 8), dpi=DPI, layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False)[:, 0]
    charts = above.subplots(1, upper, squeeze=False)[0]
    names = list(dict.fromkeys(part.name for parts in models.values() for part in parts))
    _grouped(charts[0], models, names, "parameters", "parameters by part", "number")
    _grouped(charts[1], models, names, "rms", "size of a parameter", "root mean square")
    if len(models) > 1:
        _legend(above, *charts[0].get_legend_handles_labels())
    if versus is not None:
        _bounds(charts[2], versus)
    spectra = below.subplots(1, len(models), squeeze=False, sharey=True)[0]
    weights = [n for parts in models.values() for part in parts for n in part.spectra]
    colours = {name: f"C{i}" for i, name in enumerate(dict.fromkeys(weights))}
    lines = {}
    for axes, (model, parts) in zip(spectra, models.items(), strict=True):
        for part in parts:
            for name, values in part.spectra.items():
                (lines[name],) = axes.plot(
                    range(1, len(values) + 1), values.numpy(), color=colours[name], lw=1.3
                )
        axes.set(xscale="log", yscale="log", xlabel="rank")
        axes.set_title(f"{model}: singular values", fontsize=10, parse_math=False)
        axes.grid(alpha=0.3)
    spectra[0].set_ylabel("singular value")
    _legend(below, list(lines.values()), list(lines))
    return finish(figure, chart=True)


def _legend(figure: SubFigure, handles: list[Any], labels: list[str]) -> None:
    """A legend below the charts, where no curve can be under it."""
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(len(labels), 6),
        fontsize=8,
        frameon=False,
    )


def _grouped(
    axes: Axes, models: dict[str, list[Part]], names: list[str], field: str, title: str, label: str
) -> None:
    wide = 0.8 / len(models)
    for place, (model, parts) in enumerate(models.items()):
        values = {part.name: getattr(part, field) for part in parts}
        axes.bar(
            [i + (place - (len(models) - 1) / 2) * wide for i in range(len(names))],
            [values.get(name, 0) for name in names],
            wide,
            label=model,
        )
    axes.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names], fontsize=8)
    # The parts differ by orders of magnitude.
    axes.set_yscale("log")
    axes.set_xlabel("part of the model")
    axes.set_ylabel(label)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3, axis="y")


def _bounds(axes: Axes, versus: Versus) -> None:
    order = sorted(range(len(versus.values)), key=lambda i: _sort_key(versus.values[i]))
    values = [versus.values[i] for i in order]
    numeric = all(isinstance(value, int | float) for value in values)
    places = values if numeric else list(range(len(values)))
    figures = [versus.figures[i] for i in order]
    axes.errorbar(
        places,
        [figure.nats_mean for figure in figures],
        yerr=[figure.nats_stderr for figure in figures],
        # A line would say that nothing but the setting makes the difference.
        fmt="o-" if numeric and not versus.also_differ else "o",
        color=BAR,
        capsize=3,
    )
    axes.set_xticks(places, [str(value) for value in values], fontsize=8)
    axes.set_xlabel(versus.key)
    axes.set_ylabel("nats per image")
    title = "bound on the test images (lower is better)"
    if others := versus.also_differ:
        named = ", ".join(list(others)[:2]) + ", …" * (len(others) > 2)
        title += f"\nbut they differ in {named} too"
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)


def _sort_key(value: object) -> tuple[bool, float, str]:
    numeric = isinstance(value, int | float)
    return (not numeric, float(value) if isinstance(value, int | float) else 0.0, str(value))


def shown_steps(steps: int) -> list[int]:
    """Indices of the steps to show, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, steps - 1, min(steps, MOST))})


def left_out(shown: list[int], steps: int) -> str:
    """What to add to the notes where steps are left out."""
    return f"; {len(shown)} of the {steps} steps are shown" if len(shown) < steps else ""


def roomy(images: Tensor) -> int:
    """Screen pixels for a pixel: images about 84 screen pixels large, and as wide as a heading."""
    height, width = images.shape[-2:]
    return max(1, 84 // max(height, width), -(-56 // width))


def short_name(name: str, most: int = 20) -> str:
    """A name without its middle, if it has more characters than that."""
    return name if len(name) <= most else f"{name[: most // 2 - 2]}…{name[-(most // 2 + 1) :]}"
