"""Convolutional building blocks, for any image shape.

`ConvMaps` looks at an image, `ConvFeatures` sums up what it sees in a vector, and `DeconvImage`
makes an image of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from drawzoo_conv.settings import Activation

__all__ = ["ACTIVATIONS", "ConvFeatures", "ConvMaps", "DeconvImage"]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU}
"""Name → module."""


def _side(height: int, width: int) -> int:
    """5 × 5 as in the presentation; 3 × 3 on maps that a 5 × 5 filter would mostly see past."""
    return 5 if min(height, width) >= 14 else 3


class ConvMaps(nn.Sequential):
    """Strided convolutions, with activations; each one halves height and width, rounded up.

    Arguments:
        image: (C, H, W), in pixels.
        channels: Output channels of each convolution.
        activation: The activation's name.

    Attributes:
        shape: (C', H', W') of the maps.

    Example:
        >>> import torch
        >>> maps = ConvMaps((1, 28, 28), (32, 64))
        >>> maps(torch.zeros(2, 1, 28, 28)).shape, maps.shape
        (torch.Size([2, 64, 7, 7]), (64, 7, 7))
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        channels: Sequence[int],
        activation: Activation = "relu",
    ) -> None:
        layers: list[nn.Module] = []
        inputs, height, width = image
        for outputs in channels:
            side = _side(height, width)
            convolution = nn.Conv2d(inputs, outputs, side, stride=2, padding=side // 2)
            layers += [convolution, ACTIVATIONS[activation]()]
            inputs, height, width = outputs, (height + 1) // 2, (width + 1) // 2
        super().__init__(*layers)
        self.shape = (inputs, height, width)


class ConvFeatures(nn.Sequential):
    """A small CNN: `ConvMaps`, then one dense layer with the same activation.

    Arguments:
        image: (C, H, W), in pixels.
        channels: Output channels of each convolution.
        features: Output features.
        activation: The activation's name.

    Example:
        >>> import torch
        >>> cnn = ConvFeatures((1, 28, 28), (32, 64), 100)
        >>> cnn(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 100])
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        channels: Sequence[int],
        features: int,
        activation: Activation = "relu",
    ) -> None:
        maps = ConvMaps(image, channels, activation)
        dense = nn.Linear(math.prod(maps.shape), features)
        super().__init__(*maps, nn.Flatten(), dense, ACTIVATIONS[activation]())
        # `nn.Sequential` numbers its modules; the dense layer is the last but one.
        self.matrix_blocks = {f"{len(self) - 2}.weight": 1}


class DeconvImage(nn.Sequential):
    """The way back: a dense layer, then transposed convolutions that double height and width.

    Arguments:
        features: Input features.
        channels: Channels before each transposed convolution; the last one gives the image's.
        image: (C, H, W) of the result, in pixels.

    Example:
        >>> import torch
        >>> deconv = DeconvImage(100, (64, 32), (1, 28, 28))
        >>> deconv(torch.zeros(2, 100)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(self, features: int, channels: Sequence[int], image: tuple[int, int, int]) -> None:
        # The sizes that ConvMaps would go through, walked backwards.
        sizes = [image[1:]]
        for _ in channels:
            height, width = sizes[-1]
            sizes.append(((height + 1) // 2, (width + 1) // 2))
        sizes.reverse()
        first = (channels[0], *sizes[0])
        layers: list[nn.Module] = [
            nn.Linear(features, math.prod(first)),
            nn.ReLU(),
            nn.Unflatten(1, first),
        ]
        for inputs, outputs, (height, width) in zip(
            channels, (*channels[1:], image[0]), sizes[1:], strict=True
        ):
            side = _side(height, width)
            transposed = nn.ConvTranspose2d(
                inputs,
                outputs,
                side,
                stride=2,
                padding=side // 2,
                output_padding=((height + 1) % 2, (width + 1) % 2),
            )
            layers += [transposed, nn.ReLU()]
        super().__init__(*layers[:-1])
