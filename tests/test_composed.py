"""Canvases made of MNIST's digits."""

import numpy as np
import pytest
import torch

from drawzoo.data import composed
from drawzoo.data.images import Images, load_dataset
from drawzoo.data.mnist import MNIST
from drawzoo.errors import DataError


@pytest.fixture
def digits(monkeypatch):
    """25 digits that are squares of one intensity each, 10 × 12 in the middle of 28 × 28."""
    pixels = torch.zeros(25, 1, 28, 28, dtype=torch.uint8)
    pixels[:, :, 9:19, 8:20] = (10 * torch.arange(1, 26)).view(-1, 1, 1, 1).to(torch.uint8)
    found = Images(pixels, torch.arange(25) % 10, binarize=True)
    monkeypatch.setattr(type(MNIST), "load", lambda *_, **__: found)
    monkeypatch.setattr(composed, "CHUNK", 10)
    return found


def test_two_whole_digits(digits, tmp_path):
    images = load_dataset("multi-mnist", "train", tmp_path, image=(1, 60, 60))
    assert images.pixels.shape == (25, 1, 60, 60) and images.labels is None and images.binarize
    for i, image in enumerate(images.pixels[:, 0].int()):
        own = 10 * (i + 1)
        # Alone or under the other, the digit is all there.
        assert (image >= own).sum() >= 120
        levels = {int(level) for level in image.unique()} - {0}
        others = {level for level in levels if level != own}
        assert len(levels) <= 3 and all(level % 10 == 0 or level == 255 for level in levels)
        alone = [level for level in others if {level} | {own} == levels]
        if len(levels) == 2 and alone:
            assert (image == own).sum() == (image == alone[0]).sum() == 120


def test_a_digit_in_clutter(digits, tmp_path):
    images = load_dataset("cluttered-mnist", "test", tmp_path, image=(1, 100, 100))
    assert images.pixels.shape == (25, 1, 100, 100)
    assert torch.equal(images.labels, digits.labels)
    for i, image in enumerate(images.pixels[:, 0].int()):
        own = 10 * (i + 1)
        assert (image >= own).sum() >= 120
        # At most eight pieces of 8 × 8 beside the digit.
        assert 120 <= (image > 0).sum() <= 120 + 8 * 64


def test_the_same_each_time_and_other_places_in_each_split(digits, tmp_path):
    first, again, test = (
        load_dataset("multi-mnist", split, tmp_path).pixels for split in ("train", "train", "test")
    )
    assert torch.equal(first, again) and not torch.equal(first, test)


def test_places_are_anywhere():
    random = np.random.RandomState(0)
    canvas = np.zeros((4_000, 6, 6), np.uint16)
    composed._add(canvas, np.ones((4_000, 3, 3), np.uint8), random)
    assert (canvas.sum(axis=(1, 2)) == 9).all()
    # Each of the 4 × 4 places of the corner has a share of 1 / 16.
    assert canvas[:, 0, 0].mean() == pytest.approx(1 / 16, abs=0.015)
    assert canvas[:, 5, 5].mean() == pytest.approx(1 / 16, abs=0.015)


def test_missing(tmp_path):
    with pytest.raises(DataError, match=r"^multi-mnist is of mnist: no test files") as caught:
        load_dataset("multi-mnist", "test", tmp_path, download=False)
    assert "\n" not in str(caught.value)
