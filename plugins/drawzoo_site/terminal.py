"""Drawings that appear in the terminal, step by step."""

from __future__ import annotations

import time

from rich.console import Console
from rich.control import Control

from drawzoo.commands import grid, load_model, show_picture

__all__ = ["animate"]

SHOWN = 2
"""As many as fit into 80 columns and 24 lines."""
PAUSE = 0.3
"""Seconds between two steps."""


def animate(name: str, seed: int) -> None:
    """Prints how a model draws; where the output is no terminal, the last step alone.

    Arguments:
        name: As for `drawzoo.load`.
        seed: Of the drawings, which are those of the page.
    """
    from drawzoo import Counter

    model, console = load_model(name), Console()
    pictures = [grid(images) for images in model.draw(SHOWN, generator=Counter(seed)).images]
    if not console.is_terminal:
        pictures = pictures[-1:]
    width, height = pictures[0].size
    # What is higher than the terminal would scroll out of reach of the next step.
    share = min(1, console.width / width, 2 * (console.height - 2) / height)
    size = max(1, int(width * share)), max(1, int(height * share))
    pictures = [picture.resize(size) for picture in pictures]
    for number, picture in enumerate(pictures):
        if number:
            time.sleep(PAUSE)
            # Two rows of pixels are one line.
            console.control(Control.move(0, -((picture.height + 1) // 2)))
        show_picture(picture, console)
