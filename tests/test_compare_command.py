"""`drawzoo compare`: the same seed or the same image through several models."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from selection import quick

import drawzoo
from drawzoo.engine.saving import write_model


@pytest.fixture
def make(tiny, tmp_path):
    """Writes a small model; gives its name."""

    def write(name, image=(1, 28, 28), steps=3, likelihood="bernoulli", **options):
        part = drawzoo.ComponentConfig(name=likelihood)
        model = drawzoo.build(tiny(image=image, steps=steps, likelihood=part, **options))
        generator = torch.Generator().manual_seed(len(name))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.5, generator=generator)
        (tmp_path / name).mkdir()
        write_model(tmp_path / name, model.config, model.state_dict())
        return f"local-dir:{tmp_path / name}"

    return write


@pytest.fixture
def photo(tmp_path):
    """A file with a red stroke on light paper."""
    pixels = np.full((90, 70, 3), 240, dtype=np.uint8)
    pixels[20:70, 30:38] = (200, 30, 30)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def compare(run, tmp_path):
    """Compares; gives what was printed as JSON, the picture, the animation's frames, and stderr."""

    def call(*args):
        out, gif = tmp_path / "out.png", tmp_path / "out.gif"
        code, lines, err = run("compare", *args, "--out", out, "--gif", gif, "--json")
        assert code == 0, err
        with Image.open(out) as picture, Image.open(gif) as animation:
            frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(animation)]
            return json.loads("\n".join(lines)), picture.convert("RGB"), frames, err

    return call


def shows(picture, image):
    """Whether an image [C, H, W] is somewhere in a picture, at a whole scale."""
    pixels = np.asarray(picture).astype(int)
    wanted = (image.expand(3, -1, -1) * 255).round().int().permute(1, 2, 0).numpy()
    height, width = wanted.shape[:2]
    for scale in range(1, 1 + pixels.shape[0] // height):
        tall, wide = scale * (height - 1) + 1, scale * (width - 1) + 1
        corners = np.abs(pixels[: 1 - tall or None, : 1 - wide or None] - wanted[0, 0]).max(2) <= 2
        for y, x in zip(*corners.nonzero(), strict=True):
            part = pixels[y : y + tall : scale, x : x + wide : scale]
            if np.abs(part - wanted).max() <= 2:
                return True
    return False


def test_the_drawings_of_a_seed_are_the_sampled_ones(make, compare):
    names = [make("a"), make("longer", steps=5, latent=3)]
    facts, picture, frames, _ = compare(*names, "--seed", 7)
    assert facts["seed"] == 7 and facts["image"] is None
    assert [row["model"] for row in facts["models"]] == names
    assert [row["steps"] for row in facts["models"]] == [3, 5]
    for row, name in zip(facts["models"], names, strict=True):
        model = drawzoo.load(name)
        assert row["parameters"] == sum(p.numel() for p in model.parameters())
        assert row["bound_nats"] is None and "nats" not in row
        drawing = model.draw(1, generator=torch.Generator().manual_seed(7))
        assert all(shows(picture, image[0]) for image in drawing.images)
    other = model.draw(1, generator=torch.Generator().manual_seed(8))
    assert not shows(picture, other.images[-1, 0])
    # The longer model's steps, and the end.
    assert len(frames) == 6 and frames[0].width > 2 * 480


@pytest.mark.slow
def test_noise_by_counting_is_the_page_s(make, compare):
    names = [make("a"), make("bb")]
    _, picture, _, _ = compare(*names, "--seed", 7, "--rng", "counter")
    for name in names:
        drawing = drawzoo.load(name).draw(1, generator=drawzoo.Counter(7))
        assert shows(picture, drawing.images[-1, 0])


@pytest.mark.slow
def test_several_drawings_are_shown_finished(make, compare):
    names = [make("a"), make("bb")]
    _, picture, frames, _ = compare(*names, "--num", 3)
    for name in names:
        drawing = drawzoo.load(name).draw(3, generator=torch.Generator().manual_seed(0))
        assert all(shows(picture, image) for image in drawing.images[-1])
        assert not shows(picture, drawing.images[0, 0])
    assert len(frames) == 4


def test_the_bound_of_an_image_is_the_one_of_reconstruct(make, compare, run, tmp_path):
    names = [make("a"), make("bb", steps=1)]
    facts, picture, frames, err = compare(*names, "--image", 3, "--seed", 2)
    assert "Note" not in err
    for row, name in zip(facts["models"], names, strict=True):
        args = ("--seed", 2, "--json", "--out", tmp_path / "again.png")
        code, lines, _ = run("reconstruct", name, 3, *args)
        (again,) = json.loads("\n".join(lines))["images"]
        assert code == 0
        keys = ("nats", "kl", "reconstruction", "kl_steps")
        assert [row[key] for key in keys] == [again[key] for key in keys]
    x = drawzoo.load_dataset("mnist-sample", "test", Path("nowhere")).batch(
        torch.tensor([3]), torch.Generator().manual_seed(2)
    )
    assert shows(picture, x[0])
    # The input stands once before both, as wide as each.
    assert frames[0].width > 3 * 480


def test_the_published_bounds_are_in_the_table(run, tmp_path):
    names = ("draw-t1-mnist", "draw-t2-mnist")
    code, lines, err = run("compare", *names, "--image", 0, "--out", tmp_path / "a.png")
    assert code == 0 and len(lines) == 3
    for name, steps, line in zip(names, "12", lines[1:], strict=True):
        code, facts, _ = run("info", name, "--json")
        figure = json.loads("\n".join(facts))["bound_nats"]
        assert line.split()[:4] == [name, steps, "899,699", "mnist"]
        assert f"{figure:.2f} ± " in line and len(line.split()) == 10


@pytest.mark.parametrize("image", quick([None, "photo"], "photo"))
def test_models_of_other_sizes_and_colours_are_beside_each_other(make, compare, photo, image):
    small = make("small", (3, 8, 14), likelihood="logistic")
    large = make("large", (1, 30, 20), steps=2)
    none = make("none", (3, 30, 20), steps=1, likelihood="intensities")
    names = [small, large, none]
    args = () if image is None else ("--image", photo)
    facts, picture, _, err = compare(*names, *args)
    rows = facts["models"]
    assert ("do not see the same pixels" in err) == (image is not None)
    if image is None:
        for name in names:
            drawing = drawzoo.load(name).draw(1, generator=torch.Generator().manual_seed(0))
            assert shows(picture, drawing.images[-1, 0])
    else:
        # Bits per dimension where they are meant; no bound where there is none.
        assert ["nats" in row for row in rows] == [True, True, False]
        assert ["bits_per_dimension" in row for row in rows] == [True, False, False]


def test_mistakes_are_one_line_and_leave_nothing(make, fails, tmp_path):
    one, two, colour = make("a"), make("bb"), make("colour", (3, 28, 28), likelihood="logistic")
    out = tmp_path / "x.png"
    for args, expected, word in (
        ((one,), 2, "two different models"),
        ((one, one), 2, "two different models"),
        ((one, two, "--image", 3, "--num", 2), 2, "--num is for"),
        ((one, two, "--image", 999), 5, "0 to 255"),
        ((one, two, "--image", "missing.png"), 5, "no file"),
        ((one, colour, "--image", 3), 3, "3×28×28"),
        ((one, "draw-mnits"), 4, "did you mean draw-mnist"),
        ((one, two, "--gif", tmp_path / "missing" / "x.gif"), 8, "create it"),
        ((one, make("odd", (2, 5, 5))), 3, "2 channels"),
    ):
        code, err = fails("compare", *args, "--out", out)
        assert code == expected and word in err
        assert not out.exists()


def test_the_longest_animations_are_refused(make, fails, tmp_path):
    names = [make("a"), make("bb", steps=1_001)]
    code, err = fails("compare", *names, "--out", tmp_path / "a.png", "--gif", tmp_path / "a.gif")
    assert code == 3 and "1,001 steps" in err and not (tmp_path / "a.png").exists()


@pytest.mark.slow
def test_twice_the_same_bytes(make, compare, tmp_path):
    names, seen = [make("a"), make("bb")], []
    for _ in range(2):
        compare(*names, "--image", 1)
        seen.append([(tmp_path / f"out.{kind}").read_bytes() for kind in ("png", "gif")])
    assert seen[0] == seen[1]
    assert Image.open(io.BytesIO(seen[0][0])).format == "PNG"
