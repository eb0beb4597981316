"""`drawzoo list`, `info` and `pull` of what ships."""

import json

import msgspec
import pytest

from drawzoo.evaluation.bound import BoundFigure
from drawzoo.schema.figures import facts
from drawzoo.schema.manifest import FILES, Published, pin, write_manifest


@pytest.fixture
def published(shelve, tmp_path):
    """A shipped `draw-mnist` with two figures; nothing else is published."""
    folder = tmp_path / "shipped" / "draw-mnist"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(name.encode())
    figure = BoundFigure(
        model="draw-mnist",
        dataset="mnist",
        split="test",
        images=10,
        seed=0,
        nats_mean=90.5,
        nats_std=1.0,
        nats_stderr=0.1,
        kl=20.0,
        reconstruction=70.5,
    )
    other = msgspec.structs.replace(figure, split="train", nats_mean=80.5, reconstruction=60.5)
    entry = Published(
        repository="drawzoo/draw-mnist",
        commit=None,
        parameters=1234567,
        files={name: pin(folder / name) for name in FILES},
        figures=[facts(other), facts(figure)],
    )
    path = tmp_path / "manifest.json"
    write_manifest(path, "draw-mnist", entry)
    shelve(path, tmp_path / "shipped")
    return folder


class TestList:
    KEYS = {"name", "variant", "dataset", "plugin", "steps", "parameters", "bytes", "sha256"}
    KEYS |= {"bound_nats", "source"}

    def test_json(self, invoke, published):
        code, out, err = invoke("list", "--json")
        assert code == 0 and err == ""
        rows = {row["name"]: row for row in json.loads(out)}
        assert list(rows) == sorted(rows)
        assert {"draw-mnist", "model3-mnist"} <= set(rows)
        assert all(row.keys() >= self.KEYS for row in rows.values())
        row = rows["draw-mnist"]
        weights = pin(published / "model.safetensors")
        expected = {"name": "draw-mnist", "variant": "draw", "dataset": "mnist", "steps": 10}
        expected |= {"plugin": "drawzoo", "parameters": 1234567, "bytes": weights.bytes}
        expected |= {"sha256": weights.sha256, "bound_nats": 90.5, "source": "shipped"}
        assert expected.items() <= row.items()
        unknown = {key: rows["model3-mnist"][key] for key in ("parameters", "bytes", "bound_nats")}
        assert set(unknown.values()) == {None}

    def test_table(self, invoke, published):
        code, out, err = invoke("list")
        assert code == 0 and err == ""
        (line,) = (line for line in out.splitlines() if line.startswith("draw-mnist "))
        assert "1,234,567" in line and "90.50" in line and "shipped" in line
        assert "\x1b" not in out

    def test_pattern(self, invoke):
        rows = json.loads(invoke("list", "model3-m*", "--json")[1])
        assert [row["name"] for row in rows] == ["model3-mnist"]

    def test_info(self, invoke, published, model):
        code, out, err = invoke("info", "draw-mnist", "--json")
        facts = json.loads(out)
        assert code == 0 and err == ""
        assert facts["name"] == "draw-mnist" and facts["config"]["steps"] == 10
        assert facts["data"]["licence"] == "CC BY-SA 3.0"
        assert facts["files"]["config.json"]["sha256"] == pin(published / "config.json").sha256
        assert invoke("info", "draw-mnist")[0] == 0
        facts = json.loads(invoke("info", model, "--json")[1])
        assert facts["config"]["decoder"]["config"] == {"units": 8}
        assert "decoder" in invoke("info", model)[1]

    def test_pull(self, invoke, published, caplog):
        code, out, err = invoke("pull", "draw-mnist")
        assert code == 0 and "is good" in err + caplog.text
        assert out == f"{published}\n"
        code, out, err = invoke("pull", "--all", "--json")
        assert code == 0 and json.loads(out)["source"] == "shipped"
