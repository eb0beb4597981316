"""What a notebook shows of models and drawings, and their way into files.

What makes pictures is imported when a picture is asked for: the engine needs no Pillow.
"""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from drawzoo.disk.atomic import make_folder
from drawzoo.engine.saving import write_model

if TYPE_CHECKING:
    from drawzoo.engine.draw import Draw

__all__ = ["ShownModel", "picture", "tag"]

SHOWN = 16
"""Samples in the picture of a model."""


def picture(images: Tensor) -> bytes | None:
    """Images [B, C, H, W] as one PNG; None if there are none, or they are neither grey nor RGB."""
    if images.is_meta or not len(images) or images.shape[1] not in (1, 3):
        return None
    from drawzoo.render.grid import grid, png, roomy_scale

    pixels = images.detach().float().cpu()
    return png(grid(pixels, roomy_scale(pixels, side=400)))


def tag(data: bytes, kind: str) -> str:
    """An image inside HTML."""
    return f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


class ShownModel:
    """What `Draw` adds for notebooks and scripts."""

    def save(self, folder: str | Path) -> None:
        """Writes the model into a folder, which `drawzoo.load("local-dir:FOLDER")` reads.

        Raises:
            ConfigError: If the model was put together from components that are not registered.
            OutputError: If the folder cannot be written.
        """
        model, folder = cast("Draw", self), Path(folder)
        config = model.config
        make_folder(folder)
        write_model(folder, config, model.state_dict())

    def _repr_png_(self) -> bytes | None:
        """Sixteen samples, the same each time."""
        model = cast("Draw", self)
        if model.initial_canvas.is_meta:
            return None
        device = model.initial_canvas.device
        return picture(model.sample(SHOWN, generator=torch.Generator(device).manual_seed(0)))

    def _repr_html_(self) -> str:
        model = cast("Draw", self)
        number = sum(parameter.numel() for parameter in model.parameters())
        text = f"<b>{html.escape(model.name)}</b>: {model.steps} steps, {number:,} parameters"
        samples = self._repr_png_()
        return text if samples is None else f"{text}<br>{tag(samples, 'png')}"
