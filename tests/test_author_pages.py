"""The pages for authors: the hooks' reference is made from the hooks, and the scripts run."""

import importlib.util
import re
from pathlib import Path

import pytest

import drawzoo
from drawzoo.registry.loader import installed
from drawzoo.registry.registry import LOCAL

DOCS = Path(__file__).parent.parent / "docs"


def test_hooks_page_is_what_the_hooks_say():
    spec = importlib.util.spec_from_file_location("make_hooks", DOCS / "make_hooks.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page()


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
