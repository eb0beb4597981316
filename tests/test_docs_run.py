"""The pages that say they run do: every block of code, in order, in one new folder a page."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ONNX = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed"
)
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```", re.S | re.M)
QUICK = [
    "README.md",
    "docs/draw.md",
    "docs/site.md",
    "docs/tour.md",
    "docs/tutorial-sample.md",
    "docs/tutorial-data.md",
    "docs/fooled.md",
    "docs/training.md",
]
"""Pages whose Python takes a second or two together, in the default suite."""
WHOLE = [
    "start",
    "gallery",
    "fooled",
    "protocols",
    "tutorial-sample",
    "tutorial-digit",
    "tutorial-train",
    "tutorial-finetune",
    "tutorial-data",
    pytest.param("export", marks=ONNX),
]
"""Pages that are run whole, with their commands."""
ELSEWHERE = {"hooks", "plugins", "publishing", "scripts"}
"""Pages whose Python other tests run: made from templates, an example, or a plugin's own."""
NOT_HERE = re.compile(r"make |source |pip |git |drawzoo demo|.* DATA|.*drawzoo.*wavelet")
"""Lines that need a network, a browser, a data set's files, or another environment."""


def blocks(page):
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a photograph of a digit and a folder of pictures, as a reader may have them."""
    (tmp_path / "docs").mkdir()
    shutil.copytree(DOCS / "gallery", tmp_path / "docs" / "gallery")
    shutil.copy(DOCS / "gallery" / "paper.jpg", tmp_path / "mine.jpg")
    (tmp_path / "photos").mkdir()
    from PIL import Image, ImageDraw

    for index in range(40):
        picture = Image.new("RGB", (32, 24), (index * 5, 80, 200 - index * 4))
        ImageDraw.Draw(picture).ellipse((4 + index % 9, 4, 14 + index % 9, 15), fill="white")
        picture.save(tmp_path / "photos" / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", QUICK)
def test_python_of_a_page_runs(page, here, forget_local):
    cells = {"__name__": "notebook"}
    for language, code in blocks(page):
        if language == "python":
            exec(code, cells)
    assert len(cells) > 3


def test_python_is_on_no_page_that_nobody_runs():
    whole = (getattr(page, "values", [page])[0] for page in WHOLE)
    run = {*QUICK, *(f"docs/{page}.md" for page in (*whole, *ELSEWHERE))}
    for path in [ROOT / "README.md", *DOCS.glob("*.md")]:
        page = path.relative_to(ROOT).as_posix()
        assert page in run or not re.search(r"^```python", path.read_text("utf-8"), re.M), page


def lines(code):
    for line in code.replace("\\\n", " ").splitlines():
        if line.strip() and not line.strip().startswith("#") and not NOT_HERE.match(line):
            yield shlex.split(line, comments=True)


def numbers(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\.?\d*", text)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", WHOLE)
def test_a_page_runs_from_top_to_bottom(page, here, forget_local):
    cells, said = {"__name__": "notebook"}, ""
    env = {**os.environ, "HF_HOME": str(here / "hub"), "MPLBACKEND": "Agg"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    for language, code in blocks(f"docs/{page}.md"):
        if language == "python":
            exec(code, cells)
        elif language == "sh":
            said = ""
            for command in lines(code):
                done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
                assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
                said += done.stdout
        else:
            assert numbers(said) == pytest.approx(numbers(code), rel=2e-3)
