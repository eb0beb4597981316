"""Classifying through DRAW's window: section 4.1."""

import json

import json_page
import pytest
import torch
from drawzoo_classifier.command import PAPER, _megaflop

from drawzoo.data import composed
from drawzoo.data.images import Images
from drawzoo.data.mnist import MNIST
from drawzoo.engine.saving import write_model
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.training.loop import Trainer

GLIMPSES, PLAIN = "classifier-cluttered-mnist", "plain-cluttered-mnist"
SMALL = {
    GLIMPSES: {"encoder.glimpses": 3, "encoder.size": 3, "encoder.units": 16},
    PLAIN: {"encoder.channels": [3, 4], "encoder.features": 16},
}


def small(name, side=20, **changes):
    image = {"image": [1, side, side]}
    return build(override(model_config(name), SMALL[name] | image | changes))


def quarters(number):
    """Images of 20 × 20 with a bright spot in one of the four quarters, which is the label."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (number,), generator=generator)
    pixels = torch.zeros(number, 1, 20, 20, dtype=torch.uint8)
    for image, label in zip(pixels, labels, strict=True):
        down, right = torch.randint(7, (2,), generator=generator) + 10 * torch.stack(
            [label // 2, label % 2]
        )
        image[0, down : down + 4, right : right + 4] = 255
    return Images(pixels, labels, binarize=False)


@pytest.mark.parametrize("name", [GLIMPSES, PLAIN])
@pytest.mark.slow
def test_it_learns(name, tmp_path):
    images = quarters(400)
    config = small(name).config
    training = TrainingConfig(epochs=25, batch_size=40, validation=0, warmup_steps=10)
    trainer = Trainer(RunConfig(config, training), images, tmp_path)
    trainer.run()
    model = trainer.model.eval()
    assert (model.classify(images.pixels / 255).argmax(dim=1) == images.labels).float().mean() > 0.9


def test_what_it_sees_is_what_lies_in_its_windows():
    """A pixel that no window comes near has no influence; one in the middle of a window has."""
    model = small(GLIMPSES, side=40, **{"encoder.glimpses": 1}).double().eval()
    encoder = model.encoder
    with torch.no_grad():
        encoder.window.weight.zero_()
        # A grid of 3 × 3 filters two pixels wide, around the pixel (10, 30).
        encoder.window.bias.copy_(torch.tensor([-0.5, 0.5, 0.0, -2.3, 0.0]))
    x = torch.rand(2, 1, 40, 40, dtype=torch.float64).requires_grad_()
    with torch.no_grad():
        [window] = encoder.windows(x)
    left, top, right, bottom = window.box(0)
    assert 0 <= left < right <= 20 <= top < bottom <= 40
    gradient = torch.autograd.grad(encoder.classify(encoder.prepare(x)).square().sum(), x)[0]
    seen = gradient[0, 0].abs()
    assert seen[30, 9] > 1e-4
    assert seen[:15].max() < 1e-12 and seen[:, 25:].max() < 1e-12


def test_the_first_glimpse_sees_the_whole_image():
    model = small(GLIMPSES, side=100, **{"encoder.size": 12, "encoder.glimpses": 1})
    x = torch.zeros(1, 1, 100, 100).requires_grad_()
    encoder = model.encoder
    patch = encoder.classify(encoder.prepare(x)).square().sum()
    seen = torch.autograd.grad(patch, x)[0][0, 0].abs()
    assert (seen > seen.max() / 1e4).float().mean() > 0.99


def test_glimpses_move_by_what_was_seen():
    encoder = small(GLIMPSES).encoder
    with torch.no_grad():
        encoder.window.weight.normal_(std=0.5)
    first, second, _ = encoder.windows(torch.rand(2, 1, 20, 20))
    assert first.gx[0] == first.gx[1] and second.gx[0] != second.gx[1]


@pytest.mark.parametrize("name", [GLIMPSES, PLAIN])
def test_the_classifier_learns_nothing_from_what_is_drawn(name):
    model = small(name)
    terms = model(torch.rand(2, 1, 20, 20), model.noise(2, 1), torch.tensor([1, 2]))
    (terms.reconstruction.sum() + terms.kl.sum()).backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    terms.auxiliary.sum().backward()
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())


def test_both_cost_as_much():
    glimpses, plain = (_megaflop(build(model_config(name))) for name in (GLIMPSES, PLAIN))
    assert glimpses == pytest.approx(plain, rel=0.05)
    macs = 50 * 50 * 25 * 8 + 25 * 25 * 25 * 8 * 16 + 25 * 25 * 16 * 176 + 176 * 10
    assert plain == pytest.approx(2e-6 * macs, rel=0.001)


@pytest.fixture
def clutter(monkeypatch):
    """MNIST of 40 digits, in the place of the files."""
    pixels = torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8)
    digits = Images(pixels, torch.arange(40) % 10, binarize=True)
    monkeypatch.setattr(type(MNIST), "load", lambda *_, **__: digits)
    monkeypatch.setattr(composed, "CHUNK", 20)


def test_the_table(run, clutter, tmp_path):
    names = []
    for name in (GLIMPSES, PLAIN):
        folder = tmp_path / name
        folder.mkdir()
        model = small(name, side=100)
        with torch.no_grad():
            # It takes every digit for a four, as four of the forty are.
            model.encoder.logits.weight.zero_()
            model.encoder.logits.bias.copy_(torch.eye(10)[4])
        write_model(folder, model.config, model.state_dict())
        names.append(f"local-dir:{folder}")
    code, out, err = run("cluttered", *names, "--json")
    assert code == 0, err
    found = json.loads("\n".join(out))
    json_page.check("cluttered", found)
    assert [row["model"] for row in found["models"]] == names
    assert all(row["error"] == 0.9 and row["megaflop"] > 0 for row in found["models"])
    assert [row["error"] for row in found["paper"]] == [0.1435, 0.0941, 0.0811, 0.0418, 0.0336]
    code, out, _ = run("cluttered", *names, "--images", 10)
    assert code == 0 and len(out) == 2 + len(names) + len(PAPER)
    code, _, err = run("cluttered", "draw-t1-mnist")
    assert code == 3 and "draw-t1-mnist does not classify" in err
