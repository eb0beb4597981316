"""Pages that are made are what their sources say, and the scripts run."""

import importlib.util
import re
from pathlib import Path

import pytest

import drawzoo
from drawzoo.registry.loader import installed
from drawzoo.registry.registry import LOCAL

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["make_hooks", "make_models", "make_configuration"])
def test_a_page_that_is_made_is_what_its_sources_say(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), f"python docs/{name}.py"


def test_lines_of_code_beside_equations_are_the_engine_s():
    page = (DOCS / "draw.md").read_text(encoding="utf-8")
    shown = re.findall(r"\| `([^`]+)` \|", page)
    engine = (DOCS.parent / "drawzoo" / "engine").glob("*.py")
    lines = {
        line.partition("  # ")[0].strip()
        for file in engine
        for line in file.read_text(encoding="utf-8").splitlines()
    }
    assert len(shown) > 10 and [line for line in shown if line not in lines] == []


@pytest.mark.slow
def test_scripts_page_runs_twice_from_top_to_bottom(tmp_path, monkeypatch, forget_local):
    text = (DOCS / "scripts.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.S))
    monkeypatch.chdir(tmp_path)
    ends = []
    for _ in range(2):
        cells = {"__name__": "notebook"}
        exec(code, cells)
        losses = cells["losses"]
        assert sum(losses[-5:]) < sum(losses[:5])
        ends.append(losses[-1])
    assert ends[0] == ends[1]
    assert (tmp_path / "drawing.gif").read_bytes().startswith(b"GIF")
    given = [torch_state(cells[name]) for name in ("model", "again")]
    assert given[0] == given[1] and cells["again"].config.reader.plugin == LOCAL
    assert drawzoo.list_models("thumbnail-*") == ["thumbnail-synthetic"]
    assert installed().registry.find("reader", "thumbnail").load() is cells["Thumbnail"]


def torch_state(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}
