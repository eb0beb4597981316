"""The page of `drawzoo site` in Chromium: fixtures, and what tests do to it and ask of it.

Not imported by anything but tests, which have looked for Playwright before.
"""

import json
import shutil
import threading

import playwright.sync_api as playwright
import pytest
import torch
from drawzoo_site.serving import serve
from drawzoo_site.writing import write_site

from drawzoo.engine.saving import write_model
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

SMALL = {"steps": 4, "decoder.units": 12, "encoder.units": 7, "latent.size": 5}
COLOUR = {**SMALL, "image": [3, 12, 10]}
MIXTURE, INTENSITIES = "draw-mnist-2", "draw-mnist-3"
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
def folder(tmp_path_factory):
    """A page with small models, grey and in colours, one that ships, and some that are damaged."""
    top = tmp_path_factory.mktemp("site")
    names = []
    for settings in (
        SMALL,
        {**COLOUR, "likelihood.name": "logistic-mixture"},
        {**COLOUR, "likelihood.name": "intensities"},
    ):
        torch.manual_seed(0)
        model = build(override(model_config("draw-mnist"), settings))
        if settings is not SMALL:
            torch.nn.init.normal_(model.initial_canvas)
        mine = top / f"mine{len(names)}"
        mine.mkdir()
        write_model(mine, model.config, model.state_dict())
        names.append(f"local-dir:{mine}")
    page = top / "page"
    write_site(page, [names[0], "draw-t1-mnist", *names[1:]])
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
    return page


@pytest.fixture(scope="module")
def site(folder):
    """The page, being served."""
    with serve(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    playwright.expect.set_options(timeout=60_000)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, site):
    """Opens the page at a state; whatever it says of errors, or fetches elsewhere, fails."""
    contexts, problems = [], []

    def call(state="", width=1280, scheme="light", motion="reduce", touch=False):
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            reduced_motion=motion,
            has_touch=touch,
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
        # It says something once its models are there and have drawn. From then on, what a click
        # does is done when the click has returned, unless it plays or fetches another model.
        said = page.locator("#said:not(:empty), .problem:not([hidden])")
        playwright.expect(said.first).to_be_visible()
        return page

    yield call
    for context in contexts:
        context.close()
    expected = "status of 404"  # of the model that is absent
    assert [problem for problem in problems if expected not in problem] == []


def at_end(page, steps=4):
    playwright.expect(page.locator("#step")).to_have_text(f"{steps} of {steps}")


def until(page, expression):
    """What an expression is, once it is true.

    Playwright's `wait_for_function` does what the page's policy forbids.
    """
    for _ in range(600):
        if value := page.evaluate(expression):
            return value
        page.wait_for_timeout(100)
    pytest.fail(f"{expression} is never true")


def address(page):
    """The page's state, as it gives it to be sent: the address bar has it a little later."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.click("#link")
    return "#" + until(page, "navigator.clipboard.readText()").partition("#")[2]


def picture(page, which=".canvas"):
    return page.locator(which).first.evaluate("canvas => canvas.toDataURL()")


def pixels(page, model):
    """Levels [C, H, W] of the canvas, NaN where a frame lies on grey ones."""
    channels, height, width = model.config.image
    levels = page.locator(".canvas").first.evaluate(
        """(canvas, [height, width]) => {
            const context = canvas.getContext("2d"), scale = canvas.width / width;
            return Array.from({ length: height * width }, (_, at) => [...context.getImageData(
                scale * (at % width + 0.5), scale * (Math.floor(at / width) + 0.5), 1, 1).data]);
        }""",
        [height, width],
    )
    found = torch.tensor(levels, dtype=torch.float).T[:3].view(3, height, width)
    if channels == 1:
        return found[:1].where(found[0] == found[1], torch.nan)
    return found


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


def spots_of_five(page):
    box = page.locator("#pad").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in FIVE]


def draw_five(page):
    spots = spots_of_five(page)
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=4)
    page.mouse.up()
