"""From one drawing to another, through the codes between."""

from __future__ import annotations

import torch
from torch import Tensor

from drawzoo import Draw, Drawing
from drawzoo.commands import join

__all__ = ["METHODS", "interpolate", "linear", "spherical"]


def linear(start: Tensor, end: Tensor, weight: float) -> Tensor:
    """Codes on the straight line from `start` (weight 0) to `end` (weight 1), [..., Z].

    Between codes of the prior, these codes are shorter than the codes a decoder is used to.
    """
    return torch.lerp(start, end, weight)


def spherical(start: Tensor, end: Tensor, weight: float) -> Tensor:
    r"""Codes on the great circle from `start` to `end`, [..., Z], with lengths in between.

    \[\frac{\sin((1 - w)\,Ω)}{\sin Ω}\,a + \frac{\sin(w\,Ω)}{\sin Ω}\,b\]

    of the directions \(a\) and \(b\), with Ω the angle between them; the length goes
    geometrically from `start`'s to `end`'s. Where there is no such circle, because the two codes
    point the same way or opposite ways or one is zero, the codes of `linear` are returned.

    References:
        | Animating rotation with quaternion curves (Shoemake, 1985)
    """
    if weight in (0, 1):
        return end if weight else start
    lengths = [code.norm(dim=-1, keepdim=True) for code in (start, end)]
    a, b = start / lengths[0], end / lengths[1]
    angle = (a * b).sum(dim=-1, keepdim=True).clamp(-1, 1).acos()
    direction = (((1 - weight) * angle).sin() * a + (weight * angle).sin() * b) / angle.sin()
    between = lengths[0] ** (1 - weight) * lengths[1] ** weight * direction
    there_is_one = (angle.sin() > 1e-4) & (lengths[0] > 0) & (lengths[1] > 0)
    return torch.where(there_is_one, between, linear(start, end, weight))


METHODS = {"linear": linear, "spherical": spherical}


def interpolate(model: Draw, start: Tensor, end: Tensor, num: int) -> dict[str, Drawing]:
    """The drawings between two codes, by each of `METHODS`; each step's code moves by itself.

    Arguments:
        model: The model.
        start: Codes of one image, [T, 1, Z].
        end: Codes of the other, [T, 1, Z].
        num: Drawings on the way, both ends included; at least 2.

    Returns:
        Drawings of `num` images. The first and the last are, to the bit, the drawings of `start`
        and `end`: each code is decoded by itself, because a product of matrices may round otherwise
        in a batch.
    """
    weights = [i / (num - 1) for i in range(num)]
    return {
        name: join([model.decode(method(start, end, weight)) for weight in weights])
        for name, method in METHODS.items()
    }
