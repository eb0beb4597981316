"""`drawzoo export` as a command: what it writes, what it refuses, and its page."""

import importlib.util
import json
import os
import re

import pytest
import torch
from drawzoo_export import kinds, target
from drawzoo_export.exporting import export
from test_export import ROOT, TOLERANCE, UNTRAINED, near, torch_program, with_onnx

import drawzoo
from drawzoo import Counter, OutputError
from drawzoo.commands import manifest

pytestmark = pytest.mark.timeout(600)


@pytest.mark.slow
def test_a_folder_says_what_is_in_it(invoke, tmp_path):
    out = tmp_path / "exported"
    for _ in range(2):  # what was exported before may be replaced
        code, stdout, err = invoke("export", "draw-t1-mnist", "--to", "torch", "--out", out)
        assert (code, stdout, err.count("\n")) == (0, "", 1)
        names = {"start.pt2", "step.pt2", "drawing.pt2", "export.json"}
        assert {path.name for path in out.iterdir()} == names
    about = json.loads((out / "export.json").read_text(encoding="utf-8"))
    weights = manifest()["draw-t1-mnist"].files["model.safetensors"].sha256
    assert (about["model"], about["weights_sha256"], about["steps"]) == (
        "draw-t1-mnist",
        weights,
        1,
    )
    assert about["compared"]["difference"] <= about["compared"]["tolerance"] == TOLERANCE
    drawing = about["graphs"]["drawing"]
    assert [port["shape"] for port in drawing["inputs"]] == [[1, "batch", 32]]
    assert {port["name"]: port["shape"] for port in drawing["outputs"]} == {
        "images": [1, "batch", 1, 28, 28],
        "windows": [1, "batch", 5],
    }


@pytest.mark.slow
def test_a_file_gets_the_drawing_alone(invoke, tmp_path):
    out = tmp_path / "mine.pt2"
    assert invoke("export", "draw-t1-mnist", "--to", "torch", "--out", out)[0] == 0
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "mine.pt2",
        "mine.pt2.json",
    }
    about = json.loads((tmp_path / "mine.pt2.json").read_text(encoding="utf-8"))
    assert list(about["graphs"]) == ["drawing"]
    assert about["graphs"]["drawing"]["file"] == "mine.pt2"
    drawn = torch_program(out.read_bytes(), ["images", "windows"])
    counter = Counter(1)
    images = drawn(counter.noise(range(3), 1, (32,)).numpy())["images"]
    near(images[-1], drawzoo.load("draw-t1-mnist").sample(3, generator=counter))


@pytest.mark.parametrize(
    ("to", "out", "expected"),
    [
        ("tensorflow", "new", 2),
        ("onnx", "mine.png", 2),
        ("torch", "mine.onnx", 2),
        ("torch", "-", 2),
        ("torch", "file/below", 8),
        ("torch", "nowhere/mine.pt2", 8),
        ("torch", "other", 8),
        ("torch", "before", 8),
        ("torch", "named.pt2", 8),
    ],
)
def test_bad_arguments_get_one_line_before_any_work(
    monkeypatch, invoke, tmp_path, to, out, expected
):
    monkeypatch.setattr(kinds.Kind, "check", lambda self: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "named.pt2.json").write_text("mine")
    for folder, name, text in (
        ("other", "thesis.tex", "mine"),
        ("before", "export.json", '{"format": "onnx"}'),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    before = {path: path.is_file() and path.read_text() for path in tmp_path.rglob("*")}
    code, stdout, err = invoke("export", "no-such-model", "--to", to, "--out", out)
    assert (code, stdout) == (expected, "")
    assert expected == 2 or (err.count("\n") == 1 and len(err) <= 300)
    assert {path: path.is_file() and path.read_text() for path in tmp_path.rglob("*")} == before


def test_without_the_packages_a_line_says_what_to_install(monkeypatch, invoke, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, _, err = invoke("export", "draw-t1-mnist", "--to", "onnx", "--out", tmp_path / "x")
    assert (code, err.count("\n")) == (8, 1)
    assert "drawzoo[export]" in err


@with_onnx
def test_an_onnxscript_that_does_not_fit_this_torch_is_told(monkeypatch, tiny):
    def failing(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'onnxscript._framework_apis.torch_9'")

    monkeypatch.setattr(torch.onnx, "export", failing)
    with pytest.raises(OutputError, match="drawzoo.export"):
        export(drawzoo.build(tiny()).eval(), "onnx")


def test_a_model_without_weights_gets_one_line(invoke, tmp_path):
    code, _, err = invoke("export", UNTRAINED[0], "--to", "torch", "--out", tmp_path / "x")
    assert (code, err.count("\n")) == (6, 1)


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupted_all_is_as_it_was(monkeypatch, tmp_path, at, error):
    """Whichever file is being written, and whether there was one or not."""
    about = {"format": "torch", "graphs": {name: {} for name in ("start", "step")}}
    files = {"start": b"new", "step": b"new"}
    out = tmp_path / "new"
    old = tmp_path / "old"
    target.Target(old, "torch").write({"start": b"old", "step": b"old"}, about)
    before = {path: path.read_bytes() for path in old.iterdir()}
    original, calls = os.fsync, []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) == at + 1:
            raise error
        original(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    for folder in (out, old):
        calls.clear()
        with pytest.raises((KeyboardInterrupt, OutputError)):
            target.Target(folder, "torch").write(files, about)
    assert not out.exists()
    assert {path: path.read_bytes() for path in old.iterdir()} == before


@with_onnx
def test_the_page_draws_what_drawzoo_draws(monkeypatch, tmp_path, invoke):
    """All that docs/export.md says to type, but of a model with one step, which is quicker."""
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    text = text.replace("draw-mnist", "draw-t1-mnist")
    monkeypatch.chdir(tmp_path)
    folders = re.findall(r"^drawzoo (export .* --out \w+)$", text, re.MULTILINE)
    assert len(folders) == 2
    for line in folders:
        code, _, err = invoke(*line.split())
        assert code == 0, err
    cells = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, cells)
    picture = (tmp_path / "digits.pgm").read_bytes()
    assert picture.startswith(b"P5 448 28 255\n") and len(picture) == 14 + 448 * 28
