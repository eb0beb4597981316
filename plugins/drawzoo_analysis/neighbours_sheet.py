"""The picture of `drawzoo analyze neighbours`."""

from __future__ import annotations

import torch
from torch import Tensor

from drawzoo.commands import finish
from drawzoo_analysis.nearest import Nearest
from drawzoo_analysis.sheet import Sheet
from drawzoo_analysis.sheets import BAR, roomy

__all__ = ["neighbours_sheet"]

CHART = 300
"""Room for the chart beside the images, in screen pixels."""


def neighbours_sheet(
    samples: Tensor,
    held_out: Tensor,
    images: Tensor,
    of_samples: Nearest,
    of_held_out: Nearest,
    title: str,
    split: str,
) -> bytes:
    """Samples, and below them held-out images, each with the nearest images beside it.

    Arguments:
        samples: Drawings, [N, C, H, W].
        held_out: Some images of the split that was held out, bytes, [M, C, H, W].
        images: The images that neighbours are of, bytes.
        of_samples: The neighbours of each sample.
        of_held_out: The neighbours of all held-out images, the first of which are shown.
        title: What it shows.
        split: The name of the split that was held out.
    """
    places = torch.cat([of_samples.places, of_held_out.places[: len(held_out)]])
    shown = torch.cat([samples, held_out.float() / 255])
    neighbours = images[places].float() / 255
    labels = [f"sample {i + 1}" for i in range(len(samples))]
    labels += [f"{split} image" for _ in held_out]
    distances = torch.cat([of_samples.distances, of_held_out.distances[: len(held_out)]])[:, 0]
    low, middle, high = of_held_out.distances[:, 0].quantile(
        torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    )
    sheet = Sheet(
        torch.cat([shown[:, None], neighbours], dim=1).numpy(),
        rows=[f"{name}\n{far:.2f}" for name, far in zip(labels, distances.tolist(), strict=True)],
        columns=["image", "nearest\nimage", *(f"{i + 2}." for i in range(places.shape[1] - 1))],
        title=title,
        notes=f"distance to the nearest: L2 of pixels in [0, 1]; the band holds 90% of the {split} "
        "images, the line is their median",
        scale=roomy(samples),
        right=CHART + 24,
    )
    axes = sheet.chart(0, 1, CHART, "distance to the nearest")
    axes.axvspan(low.item(), high.item(), color=BAR, alpha=0.2, lw=0)
    axes.axvline(middle.item(), color=BAR, lw=1)
    rows = range(len(samples) + len(held_out))
    colours = ["#d0743c"] * len(samples) + [BAR] * len(held_out)
    axes.scatter(
        distances.tolist(),
        [sheet.middle(row) for row in rows],
        color=colours,
        zorder=3,
        clip_on=False,
    )
    # From 0, where the copies would be.
    axes.set_xlim(0, 1.05 * max(distances.max().item(), high.item(), 1e-6))
    return finish(sheet.figure)
