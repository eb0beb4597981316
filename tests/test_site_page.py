"""The page in a real browser: Chromium, driven by Playwright."""

import json
import re
import shutil
import threading

import pytest
import torch
from drawzoo_site.serving import serve
from drawzoo_site.writing import write_site
from PIL import Image

import drawzoo
from drawzoo import Counter
from drawzoo.engine.saving import write_model
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override

playwright = pytest.importorskip(
    "playwright.sync_api", reason="there is no Playwright to drive a browser with"
)
expect = playwright.expect
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to show the page")

SMALL = {"steps": 4, "decoder.units": 12, "encoder.units": 7, "latent.size": 5}
FIVE = [(0.7, 0.2), (0.35, 0.2), (0.33, 0.45), (0.6, 0.45), (0.7, 0.62), (0.6, 0.8), (0.3, 0.8)]

SEEN = """
window.seen = [];
addEventListener("DOMContentLoaded", () => {
    const step = document.getElementById("step");
    new MutationObserver(() => seen.push(step.textContent)).observe(step, { childList: true });
});
"""
"""Keeps what the page has said of the step."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A page with a model of four steps, one that ships, and one that is damaged, being served."""
    folder = tmp_path_factory.mktemp("site")
    small = folder / "small"
    small.mkdir()
    torch.manual_seed(0)
    model = build(override(model_config("draw-mnist"), SMALL))
    write_model(small, model.config, model.state_dict())
    page = folder / "page"
    write_site(page, [f"local-dir:{small}", "draw-t1-mnist"])
    index = json.loads((page / "models.json").read_text())
    index["models"] += [
        {"name": name, "load": "<b>x</b>", "bytes": 1} for name in ("damaged", "strange", "absent")
    ]
    (page / "models.json").write_text(json.dumps(index))
    shutil.copytree(page / "models" / "draw-mnist", page / "models" / "damaged")
    weights = page / "models" / "damaged" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\xff" * 4)
    shutil.copytree(page / "models" / "draw-mnist", page / "models" / "strange")
    config = page / "models" / "strange" / "config.json"
    html = "<img src=x onerror=alert(1)>"
    config.write_text(config.read_text().replace('"bernoulli"', json.dumps(html)))
    with serve(page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, site):
    """Opens the page at a state; whatever it says of errors, or fetches elsewhere, fails."""
    contexts, problems = [], []

    def call(state="", width=1280, scheme="light", motion="reduce"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion=motion
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(60_000)
        contexts.append(context)
        context.add_init_script(SEEN)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda entry: entry.type == "error" and problems.append(entry.text))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((site, "data:", "blob:")) or problems.append(request.url)
            ),
        )
        page.goto(f"{site}{state}")
        return page

    yield call
    for context in contexts:
        context.close()
    expected = "status of 404"  # of the model that is absent
    assert [problem for problem in problems if expected not in problem] == []


def at_end(page, steps=4):
    expect(page.locator("#step")).to_have_text(f"{steps} of {steps}", timeout=60_000)


def address(page):
    """The page's state, asked of the page: the driver hears of a new address only later."""
    return page.evaluate("location.hash")


def picture(page, which=".canvas"):
    return page.locator(which).first.evaluate("canvas => canvas.toDataURL()")


def difference(page, picture):
    """The largest difference of a level of the canvas from that of a picture kept before."""
    return page.locator(".canvas").first.evaluate(
        """async (canvas, kept) => {
            const image = Object.assign(new Image(), { src: kept });
            await image.decode();
            const read = (source) => {
                const copy = new OffscreenCanvas(420, 420).getContext("2d");
                copy.drawImage(source, 0, 0);
                return copy.getImageData(0, 0, 420, 420).data;
            };
            const [one, two] = [read(canvas), read(image)];
            return one.reduce((most, level, at) => Math.max(most, Math.abs(level - two[at])), 0);
        }""",
        picture,
    )


def draw_five(page):
    box = page.locator("#pad").bounding_box()
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in FIVE]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("mode", ["sample", "own"])
def test_a_drawing_is_there_and_fits(visit, width, scheme, mode):
    page = visit(f"#mode={mode}&other=draw-t1-mnist", width, scheme)
    if mode == "own":
        page.click("#example")
    at_end(page)
    for text in ("#equations summary", "#python summary"):
        page.click(text)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert len(set(page.screenshot())) > 10
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    level = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert (level > 128) is (scheme == "light")


def test_it_plays_by_itself(visit):
    page = visit("", motion="no-preference")
    at_end(page)
    assert page.evaluate("seen.filter((text, at) => text !== seen[at - 1])") == [
        f"{step} of 4" for step in range(5)
    ]


def test_less_motion_is_none(visit):
    page = visit("", motion="reduce")
    at_end(page)
    assert page.evaluate("seen") == ["4 of 4"]


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
    expect(page.locator("#said")).to_contain_text("Draw a digit")
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


def test_nothing_moves_under_the_hand(visit):
    page = visit("#mode=own")
    expect(page.locator("#said")).to_contain_text("Draw a digit")
    before = page.locator("#pad").bounding_box()
    draw_five(page)
    at_end(page)
    assert page.locator("#pad").bounding_box() == before


def test_a_link_is_a_drawing(visit):
    page = visit("#mode=own&other=draw-t1-mnist")
    expect(page.locator("#said")).to_contain_text("Draw a digit")
    draw_five(page)
    at_end(page)
    page.click("#back")
    page.click("#link")
    link = page.evaluate("navigator.clipboard.readText()")
    again = visit("#" + link.partition("#")[2])
    expect(again.locator("#step")).to_have_text("3 of 4")
    for which in (".canvas", ".seen", ".error"):
        assert picture(again, which) == picture(page, which)


def test_between_two_drawings(visit):
    page = visit("#mode=own&seed=1")
    expect(page.locator("#keep")).to_be_disabled()
    draw_five(page)
    at_end(page)
    five = picture(page)
    page.click("#keep")
    expect(page.locator("#mix")).to_be_visible()
    page.click("#example")
    expect(page.locator("#mix")).to_have_value("0")
    other = picture(page)
    page.fill("#mix", "0.5")
    expect(page.locator(".bound")).to_have_text("–")
    half = picture(page)
    assert half not in (five, other)
    again = visit(address(page))
    at_end(again)
    assert picture(again) == half
    page.fill("#mix", "1")
    expect(page.locator("#code")).to_contain_text("no command")
    # At its end the drawing is the other one's, to the rounding of its codes.
    assert difference(page, five) < 2
    page.fill("#mix", "0")
    expect(page.locator(".bound")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    assert picture(page) == other


def test_seed_temperature_and_again(visit):
    page = visit("#seed=1")
    at_end(page)
    first = picture(page)
    page.fill("#seed", "2")
    page.press("#seed", "Enter")
    expect(page.locator("#code")).to_contain_text("Counter(2)")
    assert picture(page) != first
    page.fill("#temperature", "0.5")
    expect(page.locator("#code")).to_contain_text("Counter(2, 0.5)")
    page.fill("#temperature", "1")
    page.fill("#seed", "1")
    page.press("#seed", "Enter")
    expect(page.locator("#code")).to_contain_text("Counter(1)")
    assert picture(page) == first
    page.click("#again")
    expect(page.locator("#code")).not_to_contain_text("Counter(1)")


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
        pixels = page.locator(".canvas").evaluate(
            """canvas => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, 420, 420);
                return Array.from({ length: 784 }, (_, at) =>
                    data[4 * ((15 * Math.floor(at / 28) + 7) * 420 + 15 * (at % 28) + 7)]);
            }"""
        )
        # Where the frame of the window lies, the picture is not seen.
        off = (torch.tensor(pixels).view(28, 28) - expected).abs() > 1
        assert off.float().mean() < 0.15
        shown.append(expected)
    assert not torch.equal(shown[0], shown[1]) and not torch.equal(shown[1], shown[2])


def test_one_steps_code_anew(visit):
    page = visit("#seed=1&t=2")
    expect(page.locator("#anew")).to_have_text("Step 2’s code anew")
    page.click("#anew")
    at_end(page)
    page.fill("#scrub", "1")
    one = picture(page)
    page.fill("#scrub", "3")
    three = picture(page)
    again = visit(address(page))
    expect(again.locator("#step")).to_have_text("3 of 4")
    assert picture(again) == three
    plain = visit("#seed=1&t=1")
    expect(plain.locator("#step")).to_have_text("1 of 4")
    assert picture(plain) == one
    plain.fill("#scrub", "3")
    assert picture(plain) != three


def test_sixteen_at_once_and_one_of_them(visit):
    page = visit("#seed=1&index=2")
    page.click("#many")
    expect(page.locator("#grid button[aria-pressed]")).to_have_count(16)
    assert (
        len(
            {canvas.evaluate("c => c.toDataURL()") for canvas in page.locator("#grid canvas").all()}
        )
        == 16
    )
    page.click("#grid button:nth-child(8)")
    expect(page.locator("#code")).to_contain_text("sample(8,")
    assert "index=7" in address(page)


def test_keyboard_and_scrubber(visit):
    page = visit("#t=2")
    expect(page.locator("#step")).to_have_text("2 of 4")
    second = picture(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#step")).to_have_text("3 of 4")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#step")).to_have_text("2 of 4")
    assert picture(page) == second
    page.fill("#scrub", "1")
    expect(page.locator("#step")).to_have_text("1 of 4")
    expect(page.locator("#said")).to_contain_text("step 1")
    page.locator("#scrub").blur()
    page.keyboard.press(" ")
    at_end(page)


def test_the_numbers_of_a_step(visit):
    page = visit("#mode=own")
    page.click("#example")
    at_end(page)
    page.click("#equations summary")
    expect(page.locator("#eq-read")).to_contain_text("γ =")
    text = page.locator("#eq-bound").text_content()
    reconstruction, kl, bound = map(float, re.findall(r"\d+\.\d+", text))
    assert reconstruction + kl == pytest.approx(bound, abs=0.02)
    assert page.locator(".bound").text_content() == f"{bound:.2f}"
    expect(page.locator(".bars div")).to_have_count(4)


def test_an_animation(visit, tmp_path):
    page = visit("#other=draw-t1-mnist")
    at_end(page)
    with page.expect_download() as download:
        page.click("#gif")
    download.value.save_as(tmp_path / "drawing.gif")
    with Image.open(tmp_path / "drawing.gif") as gif:
        assert (gif.size, gif.n_frames) == ((2 * 168, 168), 4)
        gif.seek(3)
        last = torch.tensor(list(gif.convert("L").get_flattened_data()))
    expected = page.evaluate(
        """async (seed) => {
            const { Draw } = await import("./engine/draw.js");
            const get = (file) => fetch(`models/draw-mnist/${file}`);
            const draw = new Draw(await (await get("config.json")).text(),
                                  await (await get("model.safetensors")).arrayBuffer());
            return [...draw.sample({ seed }).at(-1).image];
        }""",
        int(page.input_value("#seed")),
    )
    found = last.view(168, 336)[3::6, 3:168:6] / 255
    torch.testing.assert_close(found, torch.tensor(expected).view(28, 28), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    "name, words",
    [("damaged", "not finite"), ("strange", "<img src=x onerror=alert(1)>"), ("absent", "404")],
)
def test_hostile_models_end_in_one_line(visit, name, words):
    page = visit(f"#other={name}")
    problem = page.locator(".problem:visible")
    expect(problem).to_contain_text(words)
    assert len(problem.text_content()) <= 300
    assert page.locator("main img, main b").count() == 0
    at_end(page)  # The other one draws.


@pytest.mark.parametrize(
    "state",
    ["#seed=-1", "#seed=1e99&t=99999", "#model=../x&index=99", "#x=zz&mode=own", "#x=f&mode=own"],
)
def test_addresses_that_mean_nothing(visit, state):
    page = visit(state)
    expect(page.locator("#step")).to_have_text(re.compile(r"^\d of 4$"))
