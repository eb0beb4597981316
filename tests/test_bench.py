"""What `drawzoo bench` measures, and what it prints."""

import json
import sys
import time

import json_page
import pytest
import torch
from drawzoo_bench.floor import floor, gigaflop, products
from drawzoo_bench.timing import alternate, peak_memory_mb
from drawzoo_bench.workloads import KINDS, bench

from drawzoo import ops
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override

SMALL = {"steps": 3, "decoder.units": 6, "encoder.units": 7, "latent.size": 2}


@pytest.fixture
def config():
    return build(override(model_config("draw-mnist"), SMALL)).config


def test_products_of_both_passes():
    layer = torch.nn.Linear(3, 5)
    x = torch.randn(7, 3, requires_grad=True)
    sizes = [(p.left.size, p.right.size) for p in products(lambda: layer(x).sum().backward())]
    assert sorted(sizes) == sorted([((7, 3), (3, 5)), ((7, 5), (5, 3)), ((5, 7), (7, 3))])


def test_products_in_inference_mode():
    layer = torch.nn.Linear(3, 5)

    def work():
        with torch.inference_mode():
            layer(torch.ones(7, 3))

    [product] = products(work)
    assert (product.left.size, product.right.size) == ((7, 3), (3, 5))
    assert gigaflop([product]) == pytest.approx(2 * 7 * 3 * 5 / 1e9)


def test_products_of_large_matrices_in_batches():
    """An optimiser's, such as Muon's; the attention's small ones are not counted."""
    left, right = torch.randn(3, 64, 70), torch.randn(3, 70, 90)

    def work():
        torch.baddbmm(torch.zeros(3, 64, 90), left, right)
        torch.zeros(9, 5, 70) @ torch.zeros(9, 70, 90)

    [product] = recorded = products(work)
    assert (product.left.size, product.right.size) == (left.shape, right.shape)
    assert gigaflop(recorded) == pytest.approx(3 * 2 * 64 * 70 * 90 / 1e9)
    with torch.profiler.profile(acc_events=True) as profile:
        floor(recorded)()
    assert "aten::bmm" in {event.key for event in profile.key_averages()}


def test_floor_does_them_and_nothing_else():
    recorded = products(lambda: torch.zeros(4, 6).T @ torch.zeros(4, 2))
    again = products(floor(recorded))
    assert again == []  # written to tensors that are there, out=
    work = floor(recorded)
    with torch.profiler.profile(acc_events=True) as profile:
        work()
    names = {event.key for event in profile.key_averages() if event.key.startswith("aten::")}
    assert "aten::mm" in names
    assert not names & {"aten::empty", "aten::copy_", "aten::clone", "aten::randn"}


def test_a_train_step_has_three_products_a_step(config):
    """Every LSTM has T products forward, T back to its inputs, and T for its weights."""
    from pathlib import Path

    from drawzoo_bench.workloads import _work

    recorded = products(_work("train", config, 4, "cpu", False, Path()))
    gates = 4 * config.decoder.config["units"]
    inputs = config.latent.config["size"] + config.decoder.config["units"]
    forward = [p for p in recorded if p.right.size == (inputs, gates) and p.left.size[0] == 4]
    weights = [p for p in recorded if p.left.size == (gates, 4)]
    assert len(forward) == 3
    assert len(weights) == 3


def test_alternation_tells_medians_and_spread():
    calls = []
    timings = alternate(
        [lambda: calls.append("a"), lambda: calls.append("b")], torch.device("cpu"), 0
    )
    assert "".join(calls) == "ab" * (len(calls) // 2)
    assert all(t.least <= t.median and t.spread >= 0 and t.rounds == 7 for t in timings)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_belong_together(config, kind):
    figures = bench(kind, config, batch=4, seconds=0)
    assert figures["images_per_s"] == pytest.approx(4e3 / figures["step_ms"], rel=1e-2)
    ratio = figures["step_ms"] / figures["gemm_floor_ms"]
    assert figures["floor_ratio"] == pytest.approx(ratio, rel=0.1)
    assert figures["gemm_floor_ms"] > 0
    assert figures["gemm_floor_route"] in ops.libraries()
    assert figures["products"] == ops.route(repeated=kind == "sample")
    assert figures["peak_memory_mb"] > 50


def test_memory_of_a_process_is_not_told_on_windows(monkeypatch):
    assert peak_memory_mb(torch.device("cpu")) > 50
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory_mb(torch.device("cpu")) is None


@pytest.mark.parametrize("slow", ["default", "oneDNN"])
def test_the_floor_is_that_of_the_fastest_library(config, monkeypatch, slow):
    """A library that is made slow is not the one whose floor is given."""
    names = ("default", "oneDNN")
    quick = next(name for name in names if name != slow)

    def made(recorded, library):
        # To sleep for no time would give the processor away.
        return (lambda: time.sleep(0.02)) if library == slow else lambda: None

    monkeypatch.setattr("drawzoo_bench.workloads.floor", made)
    monkeypatch.setattr(ops, "libraries", lambda: names)
    figures = bench("evaluate", config, batch=4, seconds=0)
    assert figures["gemm_floor_route"] == quick


class TestCommand:
    settings = [item for key, value in SMALL.items() for item in ("--set", f"{key}={value}")]

    def test_json(self, run):
        code, out, _ = run(
            *("bench", "train", "draw-mnist", "--no-compile", "--seconds", 0, "--batch", 4),
            *("--json", *self.settings),
        )
        assert code == 0
        figures = json.loads("\n".join(out))
        wanted = "images_per_s step_ms gemm_floor_ms floor_ratio peak_memory_mb device compile"
        assert set(wanted.split()) <= figures.keys()
        assert (figures["batch"], figures["steps"], figures["compile"]) == (4, 3, False)

    def test_sample_finds_the_best_batch(self, run, monkeypatch):
        monkeypatch.setattr("drawzoo_bench.command.SAMPLE_BATCHES", (4, 8))
        code, out, _ = run(
            *("bench", "sample", "draw-mnist", "--no-compile", "--seconds", 0),
            *("--batch", 4, *self.settings),
        )
        assert code == 0
        assert "images/s; its matrix products alone" in out[0]
        assert out[1].startswith("best at a batch of ")

    @pytest.mark.slow
    def test_scaling_is_plotted(self, run, monkeypatch, tmp_path):
        axes = {"steps": (1, 2), "batch": (2, 4), "units": (4, 8), "pixels": (6, 8)}
        monkeypatch.setattr("drawzoo_bench.scaling.AXES", axes)
        out = tmp_path / "scaling.png"
        code, lines, err = run(
            *("bench", "scaling", "draw-mnist", "--seconds", 0, "--batch", 4, "--json"),
            *("--out", out, *self.settings),
        )
        assert code == 0, err
        records = json.loads("\n".join(lines))
        json_page.check("bench scaling", records)
        assert [(r["axis"], r["value"]) for r in records] == [
            (axis, value) for axis, values in axes.items() for value in values
        ]
        assert out.read_bytes().startswith(b"\x89PNG")

    def test_unknown_model(self, run):
        assert run("bench", "train", "nothing")[0] == 4
