"""What the page shows, says and saves is what Python computes."""

import json
import math
import re

import pytest
import torch
from PIL import Image
from selection import quick

import drawzoo
from drawzoo import Counter

pytest.importorskip("playwright.sync_api", reason="there is no Playwright to drive a browser with")
from playwright.sync_api import expect
from site_page import (
    CHROMIUM,
    INTENSITIES,
    MIXTURE,
    address,
    at_end,
    browser,
    draw_five,
    folder,
    picture,
    pixels,
    site,
    visit,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to show the page")


def test_the_engine_in_the_browser_agrees_with_python(visit):
    page = visit("#model=draw-t1-mnist")
    at_end(page, 1)
    model = drawzoo.load("draw-t1-mnist")
    drawing = model.draw(3, generator=Counter(9))
    x = (drawing.images[-1, 2] > 0.5).float()[None]
    bound = model.bound(x, generator=Counter(9))
    sampled, found = page.evaluate(
        """async (x) => {
            const { Draw } = await import("./engine/draw.js");
            const get = (file) => fetch(`models/draw-t1-mnist/${file}`);
            const draw = new Draw(await (await get("config.json")).text(),
                                  await (await get("model.safetensors")).arrayBuffer());
            const [step] = draw.sample({ seed: 9, index: 2 });
            return [[...step.canvas], draw.encode(Float64Array.from(x), { seed: 9 }).at(-1).bound];
        }""",
        x.flatten().tolist(),
    )
    torch.testing.assert_close(
        torch.tensor(sampled), drawing.canvases[0, 2].flatten(), rtol=1e-4, atol=1e-4
    )
    assert found == pytest.approx(bound.nats.item(), rel=1e-4)


def test_a_digit_drawn_by_hand_has_the_bound_of_reconstruct(visit, invoke, tmp_path):
    page = visit("#mode=own&model=draw-t1-mnist&seed=5")
    draw_five(page)
    expect(page.locator(".bound")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    at_end(page, 1)
    with page.expect_download() as download:
        page.click("#save-image")
    path = tmp_path / "digit.png"
    download.value.save_as(path)
    command = page.locator("#code").text_content().splitlines()[1].split()
    assert command[:3] == ["drawzoo", "reconstruct", "draw-t1-mnist"]
    command[command.index("digit.png")] = path
    code, out, err = invoke(*command[1:], "--json", "--out", tmp_path / "again.png")
    assert code == 0, err
    nats = json.loads(out)["images"][0]["nats"]
    assert float(page.locator(".bound").text_content()) == pytest.approx(nats, abs=0.02)


@pytest.mark.slow
def test_the_python_of_the_page_gives_its_picture(visit):
    page = visit("#model=draw-t1-mnist&seed=3&index=1&temperature=0.5")
    at_end(page, 1)
    shown = []
    for press in (None, "#anew", "#anew"):
        if press:
            page.click(press)
            expect(page.locator("#anew")).to_contain_text("once more")
            expect(page.locator("#code")).to_contain_text("model.decode")
            expect(page.locator("#code")).to_contain_text(f"first={1001 + 1000 * (len(shown) - 1)}")
        names = {}
        exec(page.locator("#code").text_content(), names)
        expected = (names["image"] * 255).round()
        # Where the frame of the window lies, the picture is not seen.
        off = (pixels(page, names["model"])[0] - expected).abs() > 1
        assert off.float().mean() < 0.05
        shown.append(expected)
    assert not torch.equal(shown[0], shown[1]) and not torch.equal(shown[1], shown[2])


@pytest.mark.parametrize("name", quick([MIXTURE, INTENSITIES], MIXTURE))
def test_colours_are_as_in_python(visit, folder, monkeypatch, name):
    page = visit(f"#model={name}&seed=3&index=1")
    at_end(page)
    monkeypatch.chdir(folder)
    names = {}
    exec(page.locator("#code").text_content(), names)
    image = (names["image"] * 255).round()
    # Where the frames of windows lie, the picture is not seen.
    off = (pixels(page, names["model"]) - image).abs().amax(dim=0) > 1
    assert off.float().mean() < 0.5
    assert image.std(dim=0).max() > 5


@pytest.mark.slow
def test_a_grey_drawing_in_a_colour_model(visit, invoke, folder, tmp_path, monkeypatch):
    page = visit(f"#mode=own&model={MIXTURE}&seed=5")
    draw_five(page)
    at_end(page)
    with page.expect_download() as download:
        page.click("#save-image")
    path = tmp_path / "digit.png"
    download.value.save_as(path)
    with Image.open(path) as image:
        assert image.size == (10, 12)
    command = page.locator("#code").text_content().splitlines()[1].split()
    command[command.index("digit.png")] = path
    monkeypatch.chdir(folder)
    code, out, err = invoke(*command[1:], "--json", "--out", tmp_path / "again.png")
    assert code == 0, err
    nats = json.loads(out)["images"][0]["nats"]
    assert float(page.locator(".bound").text_content()) == pytest.approx(nats, rel=1e-4)
    bits = float(re.search(r"([\d.]+) bits", page.locator(".unit").text_content())[1])
    assert bits == pytest.approx(nats / (360 * math.log(2)), abs=1e-3)
    assert bits == pytest.approx(json.loads(out)["images"][0]["bits_per_dimension"], abs=1e-3)
    _, out, _ = invoke(*command[1:], "--out", tmp_path / "again.png")
    assert "bits per dimension" in out


@pytest.mark.slow
def test_an_example_in_colours_is_in_its_link(visit):
    page = visit(f"#mode=own&model={MIXTURE}&seed=5")
    page.click("#example")
    at_end(page)
    again = visit(address(page))
    at_end(again)
    for which in (".canvas", ".seen", ".error"):
        assert picture(again, which) == picture(page, which)


@pytest.mark.slow
def test_intensities_have_no_bound(visit):
    page = visit(f"#mode=own&model={INTENSITIES}")
    page.click("#example")
    at_end(page)
    expect(page.locator(".bound")).to_have_text("–")
    expect(page.locator(".unit")).to_contain_text("no bound")
    expect(page.locator("#code")).to_contain_text("no bound")


@pytest.mark.slow
def test_a_drawing_of_another_shape(visit):
    page = visit(f"#mode=own&other={MIXTURE}")
    draw_five(page)
    at_end(page)
    expect(page.locator(".problem:visible")).to_contain_text("[3,12,10]")


def saved_animation(page, path, steps):
    """The frames of the animation that the page gives, [T, 3, H, W]."""
    with page.expect_download() as download:
        page.click("#gif")
    download.value.save_as(path)
    with Image.open(path) as gif:
        assert gif.n_frames == steps
        frames = []
        for step in range(steps):
            gif.seek(step)
            width, height = gif.size
            data = torch.frombuffer(bytearray(gif.convert("RGB").tobytes()), dtype=torch.uint8)
            frames.append(data.view(height, width, 3).permute(2, 0, 1).float())
    return torch.stack(frames)


@pytest.mark.slow
def test_an_animation(visit, tmp_path):
    page = visit("#model=draw-t1-mnist&other=draw-mnist&seed=2")
    at_end(page)
    frames = saved_animation(page, tmp_path / "drawing.gif", 4)
    # Two pictures of 28 pixels, each 12 large, with a label above them.
    assert tuple(frames.shape) == (4, 3, 72 + 336 + 12, 3 * 12 + 2 * 336)
    labels = frames[:, :, :72]
    assert labels.std() > 10
    ones, fours = labels[..., : 12 + 336], labels[..., 12 + 336 :]
    assert torch.equal(ones[0], ones[3])  # One step of one, throughout.
    assert not torch.equal(fours[0], fours[3])
    found = frames[3, :, 72 + 6 : 72 + 336 : 12, 12 + 6 : 12 + 336 : 12]
    image = drawzoo.load("draw-t1-mnist").sample(1, generator=Counter(2))[0, 0]
    grey = (found[0] == found[1]) & (found[1] == found[2])
    assert grey.float().mean() > 0.85
    torch.testing.assert_close(found[0][grey] / 255, image[grey], rtol=0, atol=0.01)


@pytest.mark.slow
def test_an_animation_in_colours(visit, folder, monkeypatch, tmp_path):
    page = visit(f"#mode=own&model={MIXTURE}&seed=2")
    page.click("#example")
    at_end(page)
    frames = saved_animation(page, tmp_path / "drawing.gif", 4)
    scale = 28  # So that 12 pixels are 336 or a little more.
    assert tuple(frames.shape[2:]) == (72 + 12 * scale + 12, 3 * 12 + 2 * 10 * scale)
    left = 12 + 10 * scale + 12
    found = frames[3, :, 72 + 14 : 72 + 12 * scale : scale, left + 14 : -12 : scale]
    shown = pixels(page, drawzoo.load(f"local-dir:{folder}/models/{MIXTURE}"))
    assert shown.std() > 5
    # The colours stand for others, and frames for no picture.
    assert (found - shown).abs().mean() < 6
