"""Convolutional building blocks: maps of an image, an image of maps, and the recurrence."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

import drawzoo

__all__ = ["ConvLSTM", "Enlarge", "Shrink", "maps_of", "split"]


def maps_of(shape: tuple[int, ...], what: str) -> tuple[int, int, int]:
    """(channels, height, width) of a neighbour's maps.

    Raises:
        ConfigError: If the neighbour gives no maps.
    """
    if len(shape) != 3:
        raise drawzoo.ConfigError(
            f"it takes {what} that are maps, and is given the shape {list(shape)}; choose the "
            "component convdraw for reader, encoder, latent, decoder and writer"
        )
    return shape


def split(maps: int, layers: int) -> list[int]:
    """How many of the maps are each layer's: the sizes that `Tensor.tensor_split` gives.

    Raises:
        ConfigError: If a layer would have none.
    """
    if maps < layers:
        raise drawzoo.ConfigError(f"it cannot share {maps} maps among {layers} layers")
    return [maps // layers + (layer < maps % layers) for layer in range(layers)]


class Shrink(nn.Module):
    """A strided convolution: images [B, C, H, W] → maps [B, *maps].

    Every place of a map sees its own pixels and one more on each side. An image whose sides are no
    multiples of the stride is filled up with zeros on the right and below.
    """

    def __init__(self, image: tuple[int, int, int], maps: tuple[int, int, int]) -> None:
        super().__init__()
        stride = _stride(image, maps)
        self.margin = [0, maps[2] * stride[1] - image[2], 0, maps[1] * stride[0] - image[1]]
        kernel = (stride[0] + 2, stride[1] + 2)
        self.conv = nn.Conv2d(image[0], maps[0], kernel, stride, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        maps: Tensor = self.conv(pad(image, self.margin))
        return maps


class Enlarge(nn.Module):
    """A transposed convolution: maps [B, *maps] → images [B, C, H, W].

    Its filters are twice as long as the stride, so that every pixel is under as many of them: no
    chequers.
    """

    def __init__(self, maps: tuple[int, int, int], image: tuple[int, int, int]) -> None:
        super().__init__()
        stride = _stride(image, maps)
        kernel = (2 * stride[0], 2 * stride[1])
        padding = (stride[0] // 2, stride[1] // 2)
        self.height, self.width = image[1:]
        self.conv = nn.ConvTranspose2d(maps[0], image[0], kernel, stride, padding)

    def forward(self, maps: Tensor) -> Tensor:
        image: Tensor = self.conv(maps)
        return image[:, :, : self.height, : self.width]


def _stride(image: tuple[int, int, int], maps: tuple[int, int, int]) -> tuple[int, int]:
    """Pixels for each place of a map, rounded up."""
    return -(-image[1] // maps[1]), -(-image[2] // maps[2])


class ConvLSTM(nn.Module):
    r"""One step of a convolutional LSTM, 3 × 3, with a learned initial state.

    \[(i, f, g, o) = W * [inputs, h_{t-1}] + b, \quad
      c_t = \sigma(f) c_{t-1} + \sigma(i) \tanh(g), \quad h_t = \sigma(o) \tanh(c_t)\]

    The initial state is one number for each unit, the same at every place.

    References:
        | Convolutional LSTM Network (Shi et al., 2015), https://arxiv.org/abs/1506.04214

    Arguments:
        inputs: The maps of all inputs together.
        units: The number of units U at each place.
    """

    matrix_blocks: ClassVar[dict[str, int]] = {"gates.weight": 4}

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(inputs + units, 4 * units, 3, padding=1)
        self.initial = nn.Parameter(torch.zeros(2, units, 1, 1))
        with torch.no_grad():
            # The forget gates start open.
            bias = self.gates.get_parameter("bias")
            bias.zero_()
            bias[units : 2 * units] = 1.0

    def initial_state(self, batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The learned (h_0, c_0), each [B, U, height, width]."""
        h, c = self.initial.unsqueeze(1).expand(-1, batch, -1, height, width).unbind()
        return h, c

    def forward(self, h: Tensor, c: Tensor, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """
        Arguments:
            h: The hidden state, [B, U, height, width].
            c: The cell, of the same shape.
            inputs: Any number of [B, *, height, width] tensors.

        Returns:
            The next hidden state and cell.
        """
        i, f, g, o = self.gates(torch.cat([*inputs, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
