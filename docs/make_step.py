"""Makes the pictures of docs/draw.md: one step of `draw-mnist` on a test image that ships.

python docs/make_step.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import drawzoo

FOLDER = Path(__file__).parent / "step"
IMAGE, STEP = 11, 4
"""The six of mnist-sample, and the step that is shown, counted from 1."""


def axes(name: str, width: float = 1.2, height: float = 1.2) -> Axes:
    figure = plt.figure(name, figsize=(width, height), dpi=120)
    return figure.add_axes((0.02, 0.02, 0.96, 0.96), xticks=[], yticks=[])


def image(name: str, pixels: torch.Tensor, box: drawzoo.Window | None = None, **how) -> None:  # noqa: ANN003
    picture = axes(name)
    picture.imshow(
        pixels, cmap=how.get("cmap", "gray"), vmin=how.get("low", 0), vmax=how.get("high", 1)
    )
    if box is not None:
        left, top, right, bottom = (edge - 0.5 for edge in box.box(0))
        picture.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, ec=how["ec"], lw=2)
        )


@torch.no_grad()
def draw() -> None:
    """Draws all figures, each under the name of its file."""
    model = drawzoo.load("draw-mnist")
    data = drawzoo.load_dataset("mnist-sample", "test", Path())
    g = torch.Generator().manual_seed(0)
    x = data.batch(torch.tensor([IMAGE]), g)
    steps = list(model.inference(x, model.encoder.prepare(x), model.noise(1, model.steps, g)))
    before, now = steps[STEP - 2].state, steps[STEP - 1]
    error = x - model.likelihood.mean(before.canvas)
    glimpse, read = model.reader(x, error, before.h_dec)
    assert read is not None and now.write is not None
    signed = {"cmap": "RdBu_r", "low": -1, "high": 1}
    image("error", error[0, 0], **signed)
    image("read", x[0, 0], read, ec="#4da3ff")
    patches = glimpse.view(2, read.size, read.size) / glimpse.abs().max()
    image(
        "glimpse", torch.cat([patches[0], torch.zeros(read.size, 1), patches[1]], dim=1), **signed
    )
    mean, std = now.posterior.mean[0], now.posterior.log_std[0].exp()
    for name, heights, bars in (("posterior", mean, std), ("code", now.z[0], None)):
        plot = axes(name)
        plot.bar(range(len(heights)), heights, yerr=bars, color="#c65f00", ecolor="#888", width=0.8)
        plot.set_ylim(-3.5, 3.5)
        plot.axhline(0, color="#888", lw=0.5)
    h_dec = now.state.h_dec[0].view(16, 16)
    image("decoder", h_dec, **signed)
    added = (now.state.canvas - before.canvas)[0, 0]
    image("write", added / added.abs().max(), now.write, ec="#ff8c1a", **signed)
    image("canvas", model.likelihood.mean(now.state.canvas)[0, 0])
    kl = [float(step.posterior.kl()[0]) for step in steps]
    plot = axes("kl")
    plot.bar(
        range(1, len(kl) + 1),
        kl,
        color=["#c65f00" if t + 1 == STEP else "#999" for t in range(len(kl))],
    )
    image("result", model.likelihood.mean(steps[-1].state.canvas)[0, 0])
    image("target", x[0, 0])
    fy = drawzoo.filterbank(read.gy, read.stride, read.variance, read.size, 28)[0]
    image("filters", fy / fy.max())
    plt.figure("filters").axes[0].set_aspect("auto")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    draw()
    for name in plt.get_figlabels():
        plt.figure(name).savefig(FOLDER / f"{name}.png", facecolor="white")


if __name__ == "__main__":
    main()
