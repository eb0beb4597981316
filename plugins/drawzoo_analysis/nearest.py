"""The nearest images of a set, exactly, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Nearest", "nearer", "nearest"]

BLOCK_BYTES = 1 << 26
"""Of pixels, as float64, in one block of images."""
BLOCK_ROWS = 2_048
"""The most images of a block: distances of one block to another take half as much memory."""


class Nearest(NamedTuple):
    """The nearest of some images, for each of Q queries, the nearest first."""

    distances: Tensor
    r"""\(\lVert a - b \rVert_2\) of pixels in [0, 1], float64, [Q, K]."""
    places: Tensor
    """Where they are, int64, [Q, K]."""


def nearest(
    queries: Tensor,
    images: Tensor,
    num: int,
    *,
    progress: Callable[[Sequence[tuple[int, int]]], Iterable[tuple[int, int]]] = iter,
) -> Nearest:
    """The `num` nearest images of each query, in the Euclidean distance of their pixels.

    No image is left out, and products are taken in float64, so that the distance of a
    copy is nearly 0, not the rounding of float32.

    Arguments:
        queries: [Q, C, H, W], in [0, 1], or bytes.
        images: [N, C, H, W], in [0, 1], or bytes.
        num: K; all N where there are fewer.
        progress: Wraps the sequence of pairs of blocks.
    """
    num = min(num, len(images))
    rows = max(1, min(BLOCK_ROWS, BLOCK_BYTES // (8 * images[0].numel())))
    starts = [range(0, len(one), rows) for one in (queries, images)]
    distances = torch.full((len(queries), num), torch.inf, dtype=torch.float64)
    places = torch.zeros((len(queries), num), dtype=torch.int64)
    for first, start in progress([(first, start) for first in starts[0] for start in starts[1]]):
        asked = slice(first, first + rows)
        block = torch.cdist(_pixels(queries[asked]), _pixels(images[start : start + rows]))
        here = block.topk(min(num, block.shape[1]), largest=False)
        both = torch.cat([distances[asked], here.values], dim=1)
        found = torch.cat([places[asked], here.indices + start], dim=1)
        # Of equally near images, the first one.
        best = both.sort(stable=True)
        distances[asked] = best.values[:, :num]
        places[asked] = found.gather(1, best.indices[:, :num])
    return Nearest(distances, places)


def nearer(distances: Tensor, others: Tensor) -> Tensor:
    """The share of `others` [M] that is below each of the distances [Q], float64, [Q]."""
    below = torch.searchsorted(others.sort().values, distances.contiguous())
    return below.double() / len(others)


def _pixels(images: Tensor) -> Tensor:
    flat = images.flatten(1).double()
    return flat if images.is_floating_point() else flat / 255
