"""Classifiers: one that looks through DRAW's window, and a plain one.

References:
    | DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015), section 4.1
    | https://arxiv.org/abs/1502.04623
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import drawzoo
from drawzoo_classifier.settings import ConvolutionsConfig, GlimpsesConfig

__all__ = ["Classifier", "ConvolutionsEncoder", "GlimpsesEncoder"]

Context = tuple[Tensor, Tensor]


class Classifier(drawzoo.Encoder):
    """Features of the image [B, F], and a softmax of them; a subclass says which features.

    h_enc is the features, at every step; what is drawn from them does not change them.
    """

    needs_labels = True
    classifies = True

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.out_features = features
        self.logits = nn.Linear(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """X [B, C, H, W] → [B, F]."""
        raise NotImplementedError

    def prepare(self, x: Tensor) -> Context:
        """The features [B, F] and the logits of the classes, [B, K]."""
        features = self.features(x)
        return features.detach(), self.logits(features)

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        return ()

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Context
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        return context[0], state

    def classify(self, context: Context) -> Tensor:
        return context[1]

    def auxiliary_loss(self, context: Context, labels: Tensor) -> Tensor:
        return cross_entropy(context[1], labels, reduction="none")


class GlimpsesEncoder(Classifier):
    r"""An LSTM that moves DRAW's window over the image and classifies after the last glimpse.

    \[h_t = LSTM(h_{t-1}, read(x \mid W(h_{t-1}))), \qquad p = softmax(V h_T)\]

    The first window's filters share the canvas out, as each is half a stride wide: a window must
    see something before it can learn where to look.
    """

    Config = GlimpsesConfig

    def __init__(self, config: GlimpsesConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__(config.units, config.classes)
        channels, height, width = sizes.image
        self.glimpses = config.glimpses
        self.window = drawzoo.WindowNet(config.units, config.size, height, width)
        with torch.no_grad():
            self.window.bias[2] = 2 * math.log(max(1.0, max(height, width) / config.size / 2))
        self.lstm = drawzoo.LSTM(channels * config.size**2, config.units)

    def features(self, x: Tensor) -> Tensor:
        h, c = self.lstm.initial_state(len(x))
        for _ in range(self.glimpses):
            h, c = self.lstm((h, c), drawzoo.read_patch(x, self.window(h)).flatten(1))
        return h

    def windows(self, x: Tensor) -> list[drawzoo.Window]:
        """The windows of all glimpses at images [B, C, H, W]."""
        (h, c), windows = self.lstm.initial_state(len(x)), []
        for _ in range(self.glimpses):
            windows.append(self.window(h))
            h, c = self.lstm((h, c), drawzoo.read_patch(x, windows[-1]).flatten(1))
        return windows


class ConvolutionsEncoder(Classifier):
    """The whole image through convolutions of 5 × 5 and stride 2, and one hidden layer."""

    Config = ConvolutionsConfig

    def __init__(self, config: ConvolutionsConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__(config.features, config.classes)
        channels, height, width = sizes.image
        layers: list[nn.Module] = []
        for more in config.channels:
            layers += [nn.Conv2d(channels, more, 5, stride=2, padding=2), nn.ReLU()]
            channels, height, width = more, (height + 1) // 2, (width + 1) // 2
        self.maps = nn.Sequential(*layers)
        self.hidden = nn.Linear(channels * height * width, config.features)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.hidden(self.maps(x).flatten(1)))
