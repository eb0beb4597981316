"""What a DRAW gives: steps, the parts of the bound, codes, and the course of drawings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from drawzoo.disk.atomic import write_atomic
from drawzoo.engine.attention import Window
from drawzoo.engine.components import DecoderState, EncoderState
from drawzoo.engine.latent import Gaussian
from drawzoo.engine.shown import picture, tag
from drawzoo.errors import OutputError

__all__ = ["Bound", "Codes", "Drawing", "State", "Step", "Terms", "join"]


class State(NamedTuple):
    """The state between two steps; each tensor is [B, ...]."""

    canvas: Tensor
    """c_t, [B, C', H, W]."""
    encoder: EncoderState
    h_dec: Tensor
    decoder: DecoderState


class Step(NamedTuple):
    """The results of one step of inference."""

    state: State
    z: Tensor
    """The sample of the posterior."""
    posterior: Gaussian
    prior: Gaussian | None
    """None is the standard normal."""
    read: Window | None
    write: Window | None


class Terms(NamedTuple):
    """The parts of the training loss, in nats."""

    reconstruction: Tensor
    """−log p(x | c_T), [B]."""
    kl: Tensor
    """KL(Q_t ‖ P_t) of each step, [T, B]."""
    auxiliary: Tensor | None
    """The encoder's own extra loss, [B], for an encoder with such a loss and given labels."""


class Bound(NamedTuple):
    """The negative log-likelihood bound, eq. 12, and its parts, in nats."""

    nats: Tensor
    """The bound of each image: its reconstruction and the KL of all steps, [B]."""
    kl: Tensor
    """KL(Q_t ‖ P_t) of each step and image, [T, B]."""
    reconstruction: Tensor
    """−log p(x | c_T) of each image, [B]."""


class Codes(NamedTuple):
    """The latent codes inferred from a batch of images, [T, B, Z] each, or of any other shape."""

    z: Tensor
    """A sample of the posterior: all that the decoder needs to draw the images again."""
    mean: Tensor
    """The posterior's mean at each step; from the second step on it depends on the codes before."""
    log_std: Tensor
    """The logarithm of the posterior's standard deviation."""
    kl: Tensor
    """KL(Q_t ‖ P_t) of each step and image in nats, [T, B]."""


class Drawing(NamedTuple):
    """The course of a batch of drawings."""

    canvases: Tensor
    """c_1 … c_T, [T, B, C, H, W]."""
    images: Tensor
    """The canvases as pixel probabilities in [0, 1]."""
    reads: list[Window] | None
    """The windows read through at each step; None where nothing is read or there is no window."""
    writes: list[Window] | None
    """The windows written through at each step; None where there is no window."""

    def save(self, path: str | Path, scale: int | None = None) -> None:
        """Writes the course as an animated GIF, with its windows, or the last images as a PNG.

        Arguments:
            path: The file, which ends in `.gif` or `.png`.
            scale: Screen pixels for each pixel; by default enough to be seen.

        Raises:
            OutputError: If the name ends in another way, or the file cannot be written.
            ConfigError: If the images have neither one channel nor three.
        """
        path = Path(path)
        if path.suffix not in (".gif", ".png"):
            raise OutputError(f"cannot write {path}: name a file that ends in .gif or .png")
        cpu = self._on_cpu()
        if path.suffix == ".gif":
            from drawzoo.render.animation import gif

            data = gif(cpu, scale)
        else:
            from drawzoo.render.grid import grid, png, roomy_scale

            images = cpu.images[-1]
            data = png(grid(images, scale or roomy_scale(images)))
        write_atomic(path, data)

    def _on_cpu(self) -> Drawing:
        return self._replace(images=self.images.detach().float().cpu())

    def _repr_png_(self) -> bytes | None:
        """The last images."""
        return picture(self.images[-1])

    def _repr_html_(self) -> str | None:
        """The course, animated."""
        if self._repr_png_() is None:
            return None
        from drawzoo.render.animation import gif

        return tag(gif(self._on_cpu()), "gif")


def join(drawings: Sequence[Drawing]) -> Drawing:
    """The drawings of several batches of one model as one batch, in the same order."""
    return Drawing(
        torch.cat([drawing.canvases for drawing in drawings], dim=1),
        torch.cat([drawing.images for drawing in drawings], dim=1),
        _join_windows([drawing.reads for drawing in drawings]),
        _join_windows([drawing.writes for drawing in drawings]),
    )


def _join_windows(series: Sequence[list[Window] | None]) -> list[Window] | None:
    given = [windows for windows in series if windows is not None]
    return [_concatenate(step) for step in zip(*given, strict=True)] or None


def _concatenate(windows: Sequence[Window]) -> Window:
    """One window for all images of several batches."""
    return Window(
        gx=torch.cat([window.gx for window in windows]),
        gy=torch.cat([window.gy for window in windows]),
        stride=torch.cat([window.stride for window in windows]),
        variance=torch.cat([window.variance for window in windows]),
        intensity=torch.cat([window.intensity for window in windows]),
        size=windows[0].size,
    )
