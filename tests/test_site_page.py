"""The page in a real browser: Chromium, driven by Playwright."""

import itertools
import json
import re

import pytest
from selection import quick

pytest.importorskip("playwright.sync_api", reason="there is no Playwright to drive a browser with")
from playwright.sync_api import expect
from site_page import (
    CHROMIUM,
    address,
    at_end,
    browser,
    difference,
    draw_five,
    folder,
    picture,
    site,
    spots_of_five,
    until,
    visit,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to show the page")


VIEWS = list(itertools.product(("own", "sample"), (360, 1280), ("dark", "light")))


@pytest.mark.parametrize("mode, width, scheme", quick(VIEWS, VIEWS[0], VIEWS[-1]))
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


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_lesson(visit, width, scheme):
    """All that can be done, one after another, wherever it can be done."""
    page = visit("", width, scheme)
    at_end(page)
    seen = [picture(page)]

    def differs(which=".canvas"):
        """Waits until the picture is none of those before."""
        for _ in range(600):
            if (now := picture(page, which)) not in seen:
                seen.append(now)
                return
            page.wait_for_timeout(50)
        pytest.fail("the picture does not change")

    page.click("#back")
    expect(page.locator("#step")).to_have_text("3 of 4")
    differs()
    page.click("#forth")
    at_end(page)
    page.fill("#scrub", "2")
    expect(page.locator("#step")).to_have_text("2 of 4")
    page.click("#play")
    at_end(page)
    page.click("#again")
    differs()
    page.fill("#seed", "12")
    page.press("#seed", "Enter")
    differs()
    page.fill("#temperature", "0.5")
    differs()
    page.click("#anew")
    differs()
    page.click("#many")
    expect(page.locator("#grid button[aria-pressed]")).to_have_count(16)
    page.click("#grid button:nth-child(3)")
    differs()
    page.select_option("#other", "draw-t1-mnist")
    expect(page.locator(".panel h2")).to_have_text(["draw-mnist", "draw-t1-mnist"])

    page.click("#mode-own")
    expect(page.locator("#said")).to_contain_text("Draw a digit")
    draw_five(page)
    differs()
    differs(".seen")
    page.click("#keep")
    page.click("#example")
    differs()
    page.fill("#mix", "0.5")
    differs()
    page.click("#equations summary")
    page.click("#python summary")
    expect(page.locator("#eq-z")).to_be_hidden()
    page.click("#copy-code")
    expect(page.locator("#copy-code")).to_have_text("Copied")
    for button, name in (("#save-image", "digit.png"), ("#gif", "drawing.gif")):
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename == name
    again = visit(address(page), width, scheme)
    expect(again.locator(".panel h2")).to_have_text(["draw-mnist", "draw-t1-mnist"])
    at_end(again)
    assert picture(again) == seen[-1]
    page.click("#clear")
    expect(page.locator("#said")).to_contain_text("Draw a digit")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_finger_draws_and_sees_the_canvas(visit):
    page = visit("#mode=own", width=360, touch=True)
    before = picture(page)
    touch = page.context.new_cdp_session(page)
    for at, (x, y) in enumerate(spots_of_five(page)):
        kind = "touchMove" if at else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    at_end(page)
    expect(page.locator(".bound")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    assert picture(page) != before
    # The finger has not moved the page, and most of the canvas is on the screen.
    assert page.evaluate("scrollY") == 0
    box = page.locator(".canvas").bounding_box()
    assert box["y"] + box["height"] / 2 < 800


@pytest.mark.slow
def test_a_link_shows_its_drawing_on_the_pad(visit):
    page = visit("#mode=own&x=" + 28 * "0ff0000")
    at_end(page)
    given = picture(page, "#pad")
    assert given != picture(visit("#mode=own"), "#pad")
    draw_five(page)  # In its place.
    page.click("#clear")
    expect(page.locator("#said")).to_contain_text("Draw a digit")
    assert picture(page, "#pad") == picture(visit("#mode=own"), "#pad")


@pytest.mark.slow
def test_it_plays_by_itself(visit):
    page = visit("", motion="no-preference")
    at_end(page)
    assert page.evaluate("seen.filter((text, at) => text !== seen[at - 1])") == [
        f"{step} of 4" for step in range(5)
    ]


@pytest.mark.slow
def test_less_motion_is_none(visit):
    page = visit("", motion="reduce")
    at_end(page)
    assert page.evaluate("seen") == ["4 of 4"]


@pytest.mark.slow
def test_nothing_moves_under_the_hand(visit):
    page = visit("#mode=own")
    before = page.locator("#pad").bounding_box()
    draw_five(page)
    at_end(page)
    assert page.locator("#pad").bounding_box() == before


@pytest.mark.slow
def test_a_link_is_a_drawing(visit):
    page = visit("#mode=own&other=draw-t1-mnist")
    draw_five(page)
    at_end(page)
    page.click("#back")
    link = address(page)
    until(page, f"location.hash === {json.dumps(link)}")
    again = visit(link)
    expect(again.locator("#step")).to_have_text("3 of 4")
    for which in (".canvas", ".seen", ".error"):
        assert picture(again, which) == picture(page, which)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_address_changes_seldom(visit):
    # Browsers refuse more than a few hundred changes in ten seconds.
    page = visit("#seed=1")
    at_end(page)
    page.evaluate(
        """() => {
            const change = history.replaceState.bind(history);
            const scrub = document.getElementById("scrub");
            window.changes = 0;
            history.replaceState = (...all) => { changes++; change(...all); };
            for (let at = 0; at < 300; at++) {
                scrub.value = at % 3;
                scrub.dispatchEvent(new Event("input"));
            }
        }"""
    )
    until(page, "location.hash.endsWith('t=2')")
    assert page.evaluate("changes") < 10


@pytest.mark.slow
def test_a_button_pressed_twice_has_its_name_again(visit):
    page = visit("#seed=1")
    at_end(page)
    page.clock.install()
    for _ in range(2):
        page.click("#link")
        expect(page.locator("#link")).to_have_text("Copied")
    page.clock.run_for(10_000)
    expect(page.locator("#link")).to_have_text("Copy link")


PROBLEMS = {"strange": "<img src=x onerror=alert(1)>", "damaged": "not finite", "absent": "404"}


@pytest.mark.parametrize("name", quick(PROBLEMS, "strange"))
def test_hostile_models_end_in_one_line(visit, name):
    page = visit(f"#other={name}")
    problem = page.locator(".problem:visible")
    expect(problem).to_contain_text(PROBLEMS[name])
    assert len(problem.text_content()) <= 300
    assert page.locator("main img, main b").count() == 0
    at_end(page)  # The other one draws.


ADDRESSES = [
    "#model=../x&index=99",
    "#seed=-1",
    "#seed=1e99&t=99999",
    "#x=zz&mode=own",
    "#x=f&mode=own",
]


@pytest.mark.slow
@pytest.mark.parametrize("state", ADDRESSES)
def test_addresses_that_mean_nothing(visit, state):
    page = visit(state)
    expect(page.locator("#step")).to_have_text(re.compile(r"^\d of 4$"))
