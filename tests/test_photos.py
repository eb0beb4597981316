"""Photographs of digits: light, shadow and the paper's lines change little in what is seen."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from selection import quick

from drawzoo import load
from drawzoo.data.images import load_dataset
from drawzoo.data.ink import FigureWarning
from drawzoo.data.pictures import fit

DIGITS = [1, 2, 3, 5, 7, 11, 18, 61]
HEIGHT, WIDTH = 320, 400
Y, X = np.meshgrid(np.linspace(0, 1, HEIGHT), np.linspace(0, 1, WIDTH), indexing="ij")


def pen(digit):
    """A digit of MNIST as the strokes of a pen on a page, [HEIGHT, WIDTH] in [0, 1]."""
    side = 200
    grey = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)) / 255
    page = np.zeros((HEIGHT, WIDTH))
    page[60 : 60 + side, 90 : 90 + side] = ((grey - 0.45) * 6 + 0.5).clip(0, 1)
    return page


def ruled(*, across):
    lines = np.zeros((HEIGHT, WIDTH))
    for at in (0, 1):
        lines[15 + at :: 34] = 0.35
        if across:
            lines[:, 10 + at :: 34] = 0.35
    return 1 - lines


PHOTOS = {
    "window": lambda ink: (1 - 0.8 * ink) * (1 - 0.65 * X) * (1 - 0.2 * Y),
    "lamp": lambda ink: (1 - 0.8 * ink) * np.exp(-((X - 0.2) ** 2 + (Y - 0.1) ** 2) / 0.7),
    "shadow": lambda ink: (1 - 0.8 * ink) * np.where(X + 0.3 * Y > 0.65, 0.5, 1),
    "soft shadow": lambda ink: (1 - 0.8 * ink) / (1 + 1 / (1 + np.exp(40 * (Y + 0.2 * X - 0.45)))),
    "lines": lambda ink: (1 - 0.8 * ink) * ruled(across=False),
    "squares in a shade": lambda ink: (1 - 0.8 * ink) * ruled(across=True) * (1 - 0.4 * Y),
    "pencil": lambda ink: (1 - 0.35 * ink) * (1 - 0.3 * X),
    "chalk": lambda ink: (0.1 + 0.75 * ink) * (1 - 0.3 * X),
}


@pytest.fixture
def photograph(tmp_path):
    """What the transform makes of a picture of brightness [H, W], with a sensor's noise."""

    def take(brightness):
        noise = np.random.default_rng(0).normal(0, 3, brightness.shape)
        path = tmp_path / "photo.png"
        Image.fromarray((235 * brightness + noise).clip(0, 255).astype(np.uint8)).save(path)
        return fit(path, (1, 28, 28), "strokes")

    return take


@pytest.fixture
def digits(tmp_path):
    pixels = load_dataset("mnist-sample", "test", tmp_path).pixels[DIGITS, 0]
    return [pen(digit.numpy()) for digit in pixels]


@pytest.mark.parametrize("light", quick(PHOTOS, "shadow"))
def test_what_is_seen_is_the_ink(photograph, digits, light):
    for ink in digits:
        seen, expected = photograph(PHOTOS[light](ink)), photograph(1 - 0.8 * ink)
        # A little less ink on one side may move the whole by a pixel.
        shifts = [seen.roll((dy, dx), (1, 2)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert min((s.float() - expected.float()).abs().mean() for s in shifts) < 8


@pytest.mark.slow
@pytest.mark.parametrize("light", PHOTOS)
def test_bounds_are_near_the_clean_digit_s(photograph, digits, light):
    model = load("draw-mnist")

    def nats(pictures):
        x = torch.bernoulli(torch.stack(pictures) / 255, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            bound = model.bound(x, generator=torch.Generator().manual_seed(1))
        return bound.nats.mean().item()

    clean = nats([photograph(1 - 0.8 * ink) for ink in digits])
    assert nats([photograph(PHOTOS[light](ink)) for ink in digits]) < clean + 15


def test_a_digit_that_is_cut_off_is_told(photograph, digits):
    with pytest.warns(FigureWarning, match="touches the border"):
        photograph(1 - 0.8 * digits[0][:180])


@pytest.mark.parametrize("axis", [0, 1], ids=["below", "beside"])
def test_two_digits_are_told(photograph, digits, axis):
    with pytest.warns(FigureWarning, match="two separate figures"):
        photograph(1 - 0.8 * np.concatenate([digits[0], digits[1]], axis=axis))


def test_the_command_says_so_and_goes_on(invoke, tmp_path, digits, model):
    path = tmp_path / "two.png"
    page = 235 * (1 - 0.8 * np.concatenate([digits[0], digits[1]], axis=1))
    Image.fromarray(page.astype(np.uint8)).save(path)
    code, _, err = invoke("reconstruct", model, path, "--out", tmp_path / "sheet.png")
    assert code == 0 and "Note: " in err and "two separate figures" in err


def test_one_whole_digit_gives_no_warning(photograph, digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ink in digits:
            photograph(1 - 0.8 * ink)


def test_a_dataset_of_such_pictures_is_read_without_a_note_for_each(tmp_path, digits):
    for index, ink in enumerate(digits):
        page = 235 * (1 - 0.8 * ink[:180])
        Image.fromarray(page.astype(np.uint8)).save(tmp_path / f"{index}.png")
    images = load_dataset("folder", "train", tmp_path, image=(1, 28, 28))
    assert 0 < len(images.pixels) <= len(digits)
