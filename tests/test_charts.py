"""Charts and sheets: labels, legends and boxes that can be seen."""

import io
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from drawzoo_analysis import sheets as figures
from drawzoo_analysis.filters import Filters
from drawzoo_analysis.parameters import Part
from drawzoo_analysis.sheet import READ, WRITE, Sheet
from matplotlib.figure import Figure
from PIL import Image

from drawzoo.cards import illustrations as card
from drawzoo.render.plots import finish
from drawzoo.schema.record import Point, TrainingRecord
from drawzoo.schema.training import TrainingConfig


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are finished, as they are laid out."""
    seen = []

    def keep(figure, **options):
        seen.append(figure)
        return finish(figure, **options)

    for module in (card, figures):
        monkeypatch.setattr(module, "finish", keep)
    return seen


def part(name):
    return Part(name, 100, 1.0, 0.1, {f"{name}.weight": torch.tensor([3.0, 2.0, 1.0])})


def extent(artist):
    return artist.get_window_extent()


def test_parameters_have_axis_labels_and_legends_outside_the_charts(drawn):
    models = {name: [part("reader"), part("writer")] for name in ("first", "second")}
    figures.parameters_plot(models, None)
    (figure,) = drawn
    spectra = figure.axes[-2:]
    assert all(axes.get_xlabel() for axes in figure.axes)
    assert all(axes.get_ylabel() for axes in figure.axes[:-1])  # the last shares its height
    legends = [legend for half in figure.subfigs for legend in half.legends]
    texts = [[text.get_text() for text in legend.get_texts()] for legend in legends]
    assert texts == [["first", "second"], ["reader.weight", "writer.weight"]]
    for legend in legends:
        assert not any(extent(legend).overlaps(extent(axes)) for axes in figure.axes)
    # One legend holds for all: a weight has the same colour in each model.
    colours = [[line.get_color() for line in axes.lines] for axes in spectra]
    assert colours[0] == colours[1] and len(set(colours[0])) == 2


def test_filters_have_bars_as_tall_as_the_panels(drawn):
    filters = Filters("encoder.0", torch.randn(16, 1, 5, 5))
    figures.filters_plot({"first": filters, "second": Filters("x", torch.randn(32, 1, 5, 5))})
    (figure,) = drawn
    for panel in figure.axes:
        (bar,) = panel.child_axes
        assert extent(bar).height == pytest.approx(extent(panel).height)
        labels = [label.get_text() for label in bar.get_yticklabels()]
        assert "negative" in labels[0] and labels[1] == "0" and "positive" in labels[2]


@pytest.mark.parametrize("num", [1, 3])
def test_the_curve_of_one_record_is_a_point(drawn, num):
    log = [Point(20 * (i + 1), 0.1 * (i + 1), 200.0 - i, 5.0) for i in range(num)]
    record = TrainingRecord(TrainingConfig(), "1", 60_000, 1.0, log)
    card._curve(record, "my-model")
    (figure,) = drawn
    (axes,) = figure.axes
    assert "my-model" in axes.get_title()
    for line in axes.lines:
        assert (line.get_marker() == "o") is (num == 1)
        assert len(line.get_xdata()) == num


def test_left_out_steps_are_said():
    assert not figures.left_out(figures.shown_steps(16), 16)
    said = figures.left_out(figures.shown_steps(18), 18)
    assert "16" in said and "18" in said


def test_both_boxes_are_seen_where_they_coincide():
    def colours(*boxes):
        labels = {"rows": [""], "columns": [""], "title": ""}
        sheet = Sheet(np.zeros((1, 1, 1, 20, 20)), **labels, scale=4)
        for colour, dashed in boxes:
            sheet.box(0, 0, (4, 4, 16, 16), colour, dashed=dashed)
        with Image.open(io.BytesIO(finish(sheet.figure))) as picture:
            pixels = np.asarray(picture).astype(int)
        return [
            (abs(pixels - [int(c[i : i + 2], 16) for i in (1, 3, 5)]).max(axis=2) < 30).sum()
            for c in (READ, WRITE)
        ]

    blue, red = colours((READ, False), (WRITE, True))
    assert blue > 20 and red > 20


def test_missing_glyphs_become_question_marks():
    figure = Figure()
    text = figure.text(0, 0, "日本 ä\n\x1b$z_t$")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finish(figure)
    assert text.get_text() == "?? ä\n?$z_t$"


def test_a_home_that_cannot_be_written_is_no_news():
    keep = {k: v for k, v in os.environ.items() if k not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", "import drawzoo.render.plots"],
        env={**keep, "HOME": os.devnull, "XDG_CACHE_HOME": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
