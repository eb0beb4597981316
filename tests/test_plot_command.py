"""`drawzoo plot`: runs over each other."""

import json
import shutil

import pytest
from matplotlib.figure import Figure
from PIL import Image

from drawzoo.errors import OutputError, TrainingError
from drawzoo.render import courses
from drawzoo.training.log import LOG, read_log


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn."""
    figures = []

    class Kept(Figure):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            figures.append(self)

    monkeypatch.setattr(courses, "Figure", Kept)
    return figures


@pytest.fixture
def runs(trained, tmp_path):
    """Two runs; the second has no validation, and is half as fast."""
    folders = [tmp_path / name for name in ("one$", "two$")]
    for folder in folders:
        shutil.copytree(trained, folder)
    records = read_log(folders[1])
    for record in records:
        record.pop("valid_nats", None)
        record["images_per_s"] /= 2
    (folders[1] / LOG).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folders


@pytest.mark.parametrize("against", ["epoch", "minutes"])
def test_each_run_has_its_lines(invoke, runs, drawn, tmp_path, against):
    out = tmp_path / "curves.png"
    code, text, _ = invoke("plot", *runs, "--out", out, "--against", against, "--json")
    assert code == 0
    with Image.open(out) as picture:
        assert picture.format == "PNG"
    one, two = json.loads(text)
    log = read_log(runs[0])
    valid = {r["epoch"]: r["valid_nats"] for r in log if "valid_nats" in r}
    assert len(valid) == 3
    assert one["epoch"] == two["epoch"] == 3 and one["nats"] == log[-1]["nats"]
    assert one["valid_nats"] == min(valid.values()) == valid[one["best_epoch"]]
    assert "valid_nats" not in two
    assert two["minutes"] == pytest.approx(2 * one["minutes"], abs=0.02)

    (axes,) = drawn[0].axes
    lines = {line.get_label(): line for line in axes.lines}
    names = [f"{runs[0]}, training", f"{runs[0]}, validation", f"{runs[1]}, training"]
    assert list(lines) == names
    training, validation, other = lines.values()
    assert list(training.get_ydata()) == [record["nats"] for record in log]
    assert list(validation.get_ydata()) == list(valid.values())
    assert training.get_color() == validation.get_color() != other.get_color()
    if against == "epoch":
        assert list(validation.get_xdata()) == list(valid)
    else:
        assert list(other.get_xdata()) == pytest.approx([2 * x for x in training.get_xdata()])


def test_table(run, runs, tmp_path):
    code, lines, err = run("plot", *runs, "--out", tmp_path / "curves.png")
    assert code == 0 and len(lines) == 3 and "curves.png" in err
    assert str(runs[0]) in lines[1] and str(runs[1]) in lines[2]


def test_no_run(fails, tmp_path):
    code, line = fails("plot", tmp_path, "--out", tmp_path / "curves.png")
    assert code == TrainingError.exit_code and "holds no run" in line
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("log", ["", '{"step": 2}\n', '{"step": 2, "epoch": "x", "nats": 1}\n'])
def test_log_that_is_empty_or_damaged(fails, runs, tmp_path, log):
    (runs[1] / LOG).write_text(log)
    code, line = fails("plot", *runs, "--out", tmp_path / "curves.png")
    assert code == TrainingError.exit_code and str(runs[1]) in line


def test_picture_that_cannot_be_written(fails, runs, tmp_path):
    code, _ = fails("plot", *runs, "--out", tmp_path / "nowhere" / "curves.png")
    assert code == OutputError.exit_code
