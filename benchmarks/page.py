"""How long the models of a page take to draw in Chromium: python benchmarks/page.py PAGE.

PAGE is a folder that `drawzoo site` wrote. Of each model: milliseconds until it is ready (its bytes
read), of one drawing from nothing, and of an image that is drawn again: the median and the longest
of thirty, the first ones among them. Of the page: milliseconds from the address to a first drawing.
"""

import argparse
import json
import shutil
import statistics
import threading
from pathlib import Path

from drawzoo_site.serving import serve
from playwright.sync_api import Browser, sync_playwright

TIMES = 30

MODEL = """async ([base, name, times]) => {
    const { Draw } = await import(`${base}engine/draw.js`);
    const get = (file) => fetch(`${base}models/${name}/${file}`);
    const config = await (await get("config.json")).text();
    const weights = await (await get("model.safetensors")).arrayBuffer();
    const time = (work) => {
        const start = performance.now(), value = work();
        return [performance.now() - start, value];
    };
    const each = (work) => Array.from({ length: times }, (_, seed) => time(() => work(seed))[0]);
    const [ready, draw] = time(() => new Draw(config, weights));
    const sample = each((seed) => draw.sample({ seed }).at(-1).image);
    const x = draw.likelihood.observed(draw.sample({ seed: 3 }).at(-1).image);
    return [ready, sample, each((seed) => draw.encode(x, { seed }).at(-1).bound)];
}"""

FIRST = """
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
    window.first ??= performance.now();
}).observe(document.getElementById("step"), { childList: true }));
"""


def first_drawing(browser: Browser, base: str) -> float:
    """Milliseconds from the address to a first drawing, nothing of the page being cached."""
    context = browser.new_context(reduced_motion="reduce")
    context.add_init_script(FIRST)
    page = context.new_page()
    page.goto(base)
    while (first := page.evaluate("window.first ?? null")) is None:
        page.wait_for_timeout(20)
    context.close()
    return first


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    folder = parser.parse_args().page
    models = json.loads((folder / "models.json").read_text())["models"]
    with serve(folder) as server, sync_playwright() as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}/"
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        firsts = [first_drawing(browser, base) for _ in range(5)]
        print(f"first drawing: {statistics.median(firsts):.0f} ms")
        print("| model | ready | from nothing | longest | drawn again | longest |")
        print("|---|---|---|---|---|---|")
        for name in (entry["name"] for entry in models):
            page = browser.new_page()
            page.goto(f"{base}models.json")
            ready, *works = page.evaluate(MODEL, [base, name, TIMES])
            cells = [f"{value:.0f}" for w in works for value in (statistics.median(w), max(w))]
            print(f"| `{name}` | {ready:.0f} | {' | '.join(cells)} |")
            page.close()
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    main()
