"""Convolutional building blocks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

__all__ = ["ConvFeatures"]


class ConvFeatures(nn.Sequential):
    """A small CNN: strided convolutions, then one dense layer, ReLU after each.

    The first kernels are 5 × 5, as in the presentation, the later ones 3 × 3 once the map is
    smaller than 14 pixels: a 5 × 5 kernel would then see mostly padding. Every convolution halves
    height and width.

    Arguments:
        image: (C, H, W), in pixels.
        channels: Output channels of each convolution.
        features: Output features.

    Example:
        >>> cnn = ConvFeatures((1, 28, 28), (32, 64), 100)
        >>> cnn(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 100])
    """

    def __init__(self, image: tuple[int, int, int], channels: Sequence[int], features: int) -> None:
        layers: list[nn.Module] = []
        inputs, height, width = image
        for outputs in channels:
            kernel = 5 if min(height, width) >= 14 else 3
            layers += [nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
            inputs, height, width = outputs, (height + 1) // 2, (width + 1) // 2
        layers += [nn.Flatten(), nn.Linear(inputs * height * width, features), nn.ReLU()]
        super().__init__(*layers)
