"""The pictures of a model's card."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from drawzoo.engine.draw import Draw
from drawzoo.engine.drawing import Drawing
from drawzoo.render.animation import gif
from drawzoo.render.grid import grid, png
from drawzoo.render.plots import DPI, finish
from drawzoo.schema.manifest import CURVE, DRAWING, SAMPLES
from drawzoo.schema.record import TrainingRecord

__all__ = ["card_pictures"]

SAMPLE_NUM, DRAWN_NUM = 64, 16
SCALE = 2
MOST_FRAMES = 12
"""Steps in the animation; of more, that many are chosen."""
BLUE, ORANGE, GREEN = "#4878a8", "#d0743c", "#4f8f4f"


def card_pictures(model: Draw, record: TrainingRecord) -> dict[str, bytes]:
    """File name → picture: samples of seed 0, some of them step by step, the training's course."""
    samples = model.sample(SAMPLE_NUM, generator=torch.Generator().manual_seed(0))
    # The first images of the same seed are the same drawings.
    drawing = model.draw(DRAWN_NUM, generator=torch.Generator().manual_seed(0))
    return {
        SAMPLES: png(grid(samples, SCALE)),
        DRAWING: _animation(drawing, model.config.name),
        CURVE: _curve(record, model.config.name),
    }


def _animation(drawing: Drawing, name: str) -> bytes:
    """All steps, or as many as a card has room for, evenly spread."""
    steps = len(drawing.images)
    shown = list(range(steps))
    if steps > MOST_FRAMES:
        shown = [round(i * (steps - 1) / (MOST_FRAMES - 1)) for i in range(MOST_FRAMES)]
    reads, writes = (
        windows and [windows[step] for step in shown] for windows in (drawing.reads, drawing.writes)
    )
    part = Drawing(drawing.canvases[shown], drawing.images[shown], reads, writes)
    captions = [f"step {step + 1} of {steps}" for step in shown]
    return gif(part, SCALE, title=name, captions=captions)


def _curve(record: TrainingRecord, name: str) -> bytes:
    """The bound and its KL on the training images, and the bound on validation if there is one."""
    figure = Figure(figsize=(6.4, 3.6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    epochs = [point.epoch for point in record.log]
    nats = [point.nats for point in record.log]
    lines = [
        (epochs, nats, BLUE, "bound"),
        (epochs, [point.kl for point in record.log], ORANGE, "KL, a part of it"),
    ]
    if valid := {p.epoch: p.valid_nats for p in record.log if p.valid_nats is not None}:
        lines.append((list(valid), list(valid.values()), GREEN, "bound on validation"))
    for at, values, colour, label in lines:
        # A line through a single point is nothing.
        mark = "o" if len(values) == 1 else ""
        axes.plot(at, values, color=colour, lw=1.5, marker=mark, label=label)
    if kept := record.kept:
        at, values, label = [kept.epoch], [kept.valid_nats], "the weights that are used"
        axes.plot(at, values, "o", mfc="white", mec=GREEN, label=label)
    axes.set_xlim(left=0)
    # The first steps, far above all others, would press the rest flat.
    axes.set_ylim(0, 1.1 * max(nats[len(nats) // 20 :]))
    axes.set_xlabel("epochs")
    axes.set_ylabel("nats per image")
    axes.set_title(f"Training of {name}", fontsize=10, parse_math=False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return finish(figure, chart=True)
