r"""Standard normal noise by counting: every number is a function of its place alone.

The four random words of a block come from Philox 4x32-10 with the seed as key and (block, step,
image, 0) as counter; two words each give two numbers by the Box-Muller transform,

\[\sqrt{-2 \ln u} \cos 2πv, \quad \sqrt{-2 \ln u} \sin 2πv,
\qquad u, v = (\text{word} + \tfrac12) / 2^{32}\]

in float64. Torch's own generators are bound to torch; this one is a page of code in any language,
and gives the same noise there.

References:
    | Parallel random numbers: as easy as 1, 2, 3 (Salmon et al., 2011)
    | https://doi.org/10.1145/2063384.2063405
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawzoo.errors import ConfigError

__all__ = ["Counter", "Randomness", "philox"]

Words: TypeAlias = NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10


def philox(counter: Sequence[Any], key: int) -> tuple[Words, Words, Words, Words]:
    """The four words of each block: Philox 4x32-10.

    Arguments:
        counter: Four words, or arrays of them, below 2**32.
        key: Below 2**64.

    Example:
        >>> [f"{int(word):08x}" for word in philox([0, 0, 0, 0], 0)]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    a, b, c, d = np.broadcast_arrays(*(np.asarray(word, np.uint64) for word in counter))
    low, high = key & 0xFFFFFFFF, key >> 32
    for _ in range(_ROUNDS):
        first, second = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (
            (second >> _SHIFT) ^ b ^ np.uint64(low),
            second & _LOW,
            (first >> _SHIFT) ^ d ^ np.uint64(high),
            first & _LOW,
        )
        low, high = (low + _WEYL[0]) & 0xFFFFFFFF, (high + _WEYL[1]) & 0xFFFFFFFF
    return a, b, c, d


class Counter:
    """A source of noise in place of a `torch.Generator`: it has no state, and no step moves it.

    Image i and step t have the same noise whatever else is drawn, and each call the same again. The
    page that `drawzoo site` writes draws from it too.

    Arguments:
        seed: From 0 to 2**64 - 1.
        temperature: What the noise is multiplied by: below 1 drawings are nearer to the mean.
        first: The number of a batch's first image.

    Raises:
        ConfigError: If the seed or the temperature is out of range.

    Example:
        >>> Counter(0).noise(range(2), 10, (32,)).shape
        torch.Size([10, 2, 32])
    """

    def __init__(self, seed: int, temperature: float = 1.0, *, first: int = 0) -> None:
        if not 0 <= seed < 2**64:
            raise ConfigError(f"the seed {seed} is not from 0 to 2**64 - 1; choose another")
        if not (math.isfinite(temperature) and temperature >= 0):
            raise ConfigError(f"the temperature {temperature} is no number from 0; choose another")
        if not 0 <= first < 2**32:
            raise ConfigError(f"image {first} is not from 0 to 2**32 - 1; choose another")
        self.seed, self.temperature, self.first = seed, temperature, first

    def noise(self, images: range, steps: int, shape: Sequence[int]) -> Tensor:
        """The noise of those images, [T, B, *shape], float32.

        Arguments:
            images: The images' places, counted from the first.
            steps: T.
            shape: Of a code.
        """
        size = math.prod(shape)
        blocks = np.arange(-(-size // 4))
        numbers = self.first + np.asarray(images)[:, None]
        noise = np.empty((steps, len(images), size), np.float32)
        for step in range(steps):
            words = philox([blocks, step, numbers, 0], self.seed)
            a, b, c, d = ((word + 0.5) / 2.0**32 for word in words)
            quartets = np.stack([*_box_muller(a, b), *_box_muller(c, d)], axis=2)
            noise[step] = quartets.reshape(len(images), -1)[:, :size]
        return torch.from_numpy(noise * np.float32(self.temperature)).view(
            steps, len(images), *shape
        )


def _box_muller(u: NDArray[Any], v: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * math.pi * v
    return radius * np.cos(angle), radius * np.sin(angle)


Randomness: TypeAlias = torch.Generator | Counter
"""What noise may come from."""
