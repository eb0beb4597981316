"""The supervised encoder of Model II.

References:
    | Generative Image Models, DRAW (N. Modhe and V. Jain, IIT Kanpur, 2016): "supervision in the
    | form of a digit classification network, interconnected with the encoder network at two places"
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from drawzoo_conv.blocks import ACTIVATIONS, ConvMaps
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import drawzoo
from drawzoo_supervised.settings import SupervisedConfig

__all__ = ["SupervisedEncoder"]


class SupervisedEncoder(drawzoo.Encoder):
    """An LSTM fed with the glimpse, the decoder's previous output, and a classifier's insides.

    The classifier is a CNN, one hidden layer, and class logits. It feeds the LSTM at two places:
    with its convolutional maps, and with the probabilities of the classes. Both are the same at
    every step, so their share of the LSTM's gates is computed once an image. In training the
    weighted cross-entropy of the logits is added to the bound; drawing and evaluation need no
    labels.

    Maps and classes serve both losses, and a cross-entropy that outweighs the bound makes maps and
    classes worse for the bound: with the weight 20 (and the hidden layer in the place of the
    classes) the bound was 5 nats worse than with 2 after four epochs on MNIST.
    """

    needs_labels = True
    matrix_blocks: ClassVar[dict[str, int]] = {"drive.weight": 4}
    classifies = True

    Config = SupervisedConfig

    def __init__(self, config: SupervisedConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        self.out_features = config.units
        self.classes, self.weight = config.classes, config.weight
        self.maps = ConvMaps(sizes.image, config.channels, config.activation)
        self.activation = ACTIVATIONS[config.activation]()
        size = math.prod(self.maps.shape)
        self.hidden = nn.Linear(size, config.features)
        # For the classes alone: what drives the LSTM stays whole.
        self.dropout = nn.Dropout(0.5)
        self.logits = nn.Linear(config.features, config.classes)
        self.drive = nn.Linear(size + config.classes, 4 * config.units, bias=False)
        self.lstm = drawzoo.LSTM(sizes.glimpse + sizes.decoder, config.units)

    def prepare(self, x: Tensor) -> Tensor:
        """X [B, C, H, W] → the gates' drive and the class logits, [B, 4 U + K]."""
        maps = self.maps(x).flatten(1)
        hidden = self.activation(self.hidden(maps))
        classes = torch.softmax(self.logits(hidden), dim=1)
        drive = self.drive(torch.cat([maps, classes], dim=1))
        return torch.cat([drive, self.logits(self.dropout(hidden))], dim=1)

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return self.lstm.initial_state(batch)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Tensor | None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        assert context is not None
        drive = context[:, : -self.classes]
        h, c = self.lstm((state[0], state[1]), glimpse, h_dec, drive=drive)
        return h, (h, c)

    def classify(self, context: Tensor | None) -> Tensor:
        assert context is not None
        return context[:, -self.classes :]

    def auxiliary_loss(self, context: Tensor | None, labels: Tensor) -> Tensor:
        return self.weight * cross_entropy(self.classify(context), labels, reduction="none")
