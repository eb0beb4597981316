"""Runs over each other. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from matplotlib.figure import Figure

from drawzoo.render.plots import DPI, finish

if TYPE_CHECKING:
    from drawzoo.training.course import Course

__all__ = ["Against", "courses_plot"]

Against = Literal["epoch", "minutes"]

_LABELS = {"epoch": "epochs", "minutes": "minutes of training"}


def courses_plot(courses: Sequence[tuple[str, Course]], against: Against = "epoch") -> bytes:
    """The bounds of runs, each in a colour: in training thin, on validation thick.

    Arguments:
        courses: The runs, each with its name.
        against: What is from left to right.
    """
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    seen: list[float] = []
    for number, (name, course) in enumerate(courses):
        at = course.epochs if against == "epoch" else course.minutes
        colour = f"C{number % 10}"
        # A line through a single point is nothing.
        mark = "o" if len(at) == 1 else ""
        valid = [(x, y) for x, y in zip(at, course.valid_nats, strict=True) if y is not None]
        axes.plot(
            at,
            course.nats,
            color=colour,
            lw=0.8,
            marker=mark,
            alpha=0.6 if valid else 1,
            # Beyond ten runs, colours come again.
            ls=("-", "--", ":")[number // 10 % 3],
            label=f"{name}, training",
        )
        if valid:
            xs, ys = zip(*valid, strict=True)
            label = f"{name}, validation"
            axes.plot(xs, ys, color=colour, lw=1.8, marker="o", ms=3, label=label)
        # The first steps, far above all others, would press the rest flat.
        seen += course.nats[len(course.nats) // 10 :] + [y for _, y in valid]
    low, high = min(seen), max(seen)
    margin = 0.05 * (high - low) or 1
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(left=0)
    axes.set_xlabel(_LABELS[against])
    axes.set_ylabel("nats per image")
    axes.grid(alpha=0.3)
    legend = figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    for text in legend.get_texts():
        # In names of folders, a dollar sign is no mathematics.
        text.set_parse_math(False)
    return finish(figure, chart=True)
