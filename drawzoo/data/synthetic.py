"""Strokes made on the spot: enough to try a model, to test and to teach, with no download."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from drawzoo.data.dataset import Dataset, Support

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["SYNTHETIC"]

_SPLITS = {"train": (2_000, 0), "valid": (200, 1), "test": (200, 2)}


class _Synthetic(Dataset):
    """Straight strokes, soft at the edge, in one of ten directions, which is the label."""

    splits = tuple(_SPLITS)
    support = Support.AFRESH
    licence = "MIT"
    source = "drawzoo, which makes them"

    def files(self, root: Path, split: str) -> list[Path]:
        return []

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        import torch

        from drawzoo.data.images import Images

        num, seed = _SPLITS[split]
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(10, (num,), generator=generator)
        centre = 13.5 + 4 * (torch.rand(num, 2, generator=generator) - 0.5)
        half_length = 6 + 4 * torch.rand(num, generator=generator)
        angle = labels * (math.pi / 10)
        grid = torch.arange(28.0)
        dy = (grid[None, :, None] - centre[:, 0, None, None]).expand(-1, 28, 28)
        dx = (grid[None, None, :] - centre[:, 1, None, None]).expand(-1, 28, 28)
        cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
        along, across = (dx * cos + dy * sin).abs(), (dy * cos - dx * sin).abs()
        beyond = (along - half_length[:, None, None]).clamp_min(0)
        distance = (across.square() + beyond.square()).sqrt()
        pixels = (255 * torch.sigmoid(3 * (1.8 - distance))).to(torch.uint8)
        return Images(pixels.unsqueeze(1), labels, binarize=True)


SYNTHETIC = _Synthetic()
