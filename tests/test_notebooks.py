"""The notebooks: each runs from top to bottom, says what it said before, and is small."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
"""The one of the default suite; the others train."""

MOST = 600_000
"""Bytes of the folder."""


def cells(path, kind="code"):
    return [one for one in nbformat.read(path, 4).cells if one.cell_type == kind]


def plain(cell):
    """A cell's Python, without what is for IPython alone."""
    return re.sub(r"%pip .*", "pass", cell.source)


def executed(path, folder):
    """The notebook after a run in a process of its own."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from execute import execute\n"
        "print(json.dumps(execute(Path(sys.argv[2]), Path(sys.argv[3]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, FOLDER, path, folder],
        capture_output=True,
        text=True,
        timeout=220,
        # Its kernel sees this environment's packages, and no network.
        env={**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return nbformat.reads(done.stdout, 4)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path, tmp_path):
    now = executed(path, tmp_path)
    assert not [file for file in tmp_path.iterdir() if file.name != "cache"]
    for before, cell in zip(
        cells(path), (c for c in now.cells if c.cell_type == "code"), strict=True
    ):
        kinds = [kinds_of(output) for output in before.outputs]
        assert [kinds_of(output) for output in cell.outputs] == kinds, before.source
        assert "stderr" not in [output.get("name") for output in cell.outputs]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_a_cell_prints_piece_by_piece_is_one_output(tmp_path):
    cell = nbformat.v4.new_code_cell("for line in range(3):\n    print(line, flush=True)")
    path = tmp_path / "prints.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    outputs = executed(path, tmp_path).cells[0].outputs
    assert [output["text"] for output in outputs] == ["0\n1\n2\n"]


def kinds_of(output):
    """What an output is, whatever it says: figures differ in their last digits by processor."""
    return output.output_type, sorted({*output.get("data", {})} - {"text/plain"})


def test_there_are_three():
    assert [path.stem for path in PATHS] == ["compare", "encoder", "watch"]


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < MOST


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
class TestStored:
    def test_all_cells_were_run_in_order_without_a_fault(self, path):
        code = cells(path)
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        outputs = [output for cell in code for output in cell.outputs]
        assert {output.output_type for output in outputs} <= {
            "stream",
            "display_data",
            "execute_result",
        }
        assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3

    def test_begins_by_installing_where_that_is_needed(self, path):
        first = cells(path)[0].source
        assert first == cells(PATHS[0])[0].source
        assert 'find_spec("drawzoo") is None' in first and "%pip install -q drawzoo" in first

    def test_uses_public_names_alone(self, path):
        for cell in cells(path):
            for node in ast.walk(ast.parse(plain(cell))):
                if isinstance(node, ast.ImportFrom):
                    module = node.module
                    if module.split(".")[0] == "drawzoo":
                        assert module in ("drawzoo", "drawzoo.commands", "drawzoo.testing")
                if isinstance(node, ast.Attribute):
                    assert node.attr.endswith("__") or not node.attr.startswith("_")

    def test_is_of_no_machine(self, path):
        text = path.read_text(encoding="utf-8")
        for place in (str(FOLDER.parent), "/home/", "/root/", "/tmp/"):
            assert place not in text

    def test_is_linked(self, path):
        readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
        assert f"(notebooks/{path.name})" in readme
