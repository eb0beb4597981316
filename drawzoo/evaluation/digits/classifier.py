"""The classifier of digits whose features and probabilities the `quality` protocol uses.

`digits.safetensors` and `digits.json` (its test accuracy, and how it was trained) are data of the
package, made by `python benchmarks/train_digits.py`.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn

from drawzoo.errors import WeightsError
from drawzoo.schema.base import Config, decode

__all__ = [
    "DIGITS",
    "FACTS",
    "IMAGE",
    "SHA256",
    "WEIGHTS",
    "Classifier",
    "Facts",
    "classifier",
    "facts",
]

SHA256 = "12c31648584497db4d45508be671e868b7937f15e7061a27faa30bc3495b6579"
"""Of the weights; figures are comparable only if they were made with the same ones."""
WEIGHTS = Path(__file__).with_name("digits.safetensors")
FACTS = Path(__file__).with_name("digits.json")
IMAGE = (1, 28, 28)
"""The shape of the images it knows."""
DIGITS = ("binarized-mnist", "binarized-mnist-sample", "mnist", "mnist-sample")
"""The datasets of such digits."""
CHUNK = 500
"""Images classified at once: it bounds the memory."""


class Facts(Config, frozen=True):
    """What is known of the classifier."""

    sha256: str
    parameters: int
    features: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    accuracy: float
    """On the test images of `mnist`, each binarised once."""
    accuracy_stderr: float
    confidence: float
    """The mean probability of the likeliest digit over the test images."""
    images: int
    frechet_train: float
    """Between as many training images and the test images: what a perfect model would reach."""


class Classifier(nn.Module):
    """Three convolutions, 64 features, ten digits; takes binary images [B, 1, 28, 28]."""

    FEATURES = 64

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, self.FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(self.FEATURES, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The features of the last hidden layer, [B, 64], and the logits of the digits, [B, 10]."""
        features = self.body(x)
        return features, self.head(features)

    @torch.no_grad()
    def classify(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, 64] and probabilities [N, 10] of x [N, 1, 28, 28], in chunks."""
        parts = [self(x[first : first + CHUNK]) for first in range(0, len(x), CHUNK)]
        features, logits = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return features, logits.softmax(dim=1)


@functools.cache
def classifier() -> Classifier:
    """The classifier that ships, in evaluation mode.

    Raises:
        WeightsError: If its file is not the one that belongs to this version.
    """
    raw = WEIGHTS.read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256:
        raise WeightsError(f"{WEIGHTS} is not the file of this version; reinstall drawzoo")
    model = Classifier()
    model.load_state_dict(load(raw))
    return model.eval()


def facts() -> Facts:
    """What is known of the classifier that ships; needs no data."""
    return decode(FACTS.read_bytes(), Facts, str(FACTS))
