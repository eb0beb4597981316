"""What `drawzoo bench quality` measures, on images that are made here."""

import json
import math
import re

import json_page
import pytest
import torch
from drawzoo_bench import quality
from drawzoo_bench.plain_draw import PlainDraw
from drawzoo_bench.quality import Course, Task, best, check_sizes, timed

from drawzoo import ConfigError
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override

CPU = torch.device("cpu")


def course(initialisation="drawzoo", **fields):
    return Course("plain DRAW", initialisation, "adam", 1e-3, **fields)


class Run:
    """A training whose clock says that a step takes a minute and an evaluation an hour."""

    def __init__(self, bounds):
        self.bounds, self.now, self.steps = iter(bounds), 0.0, 0

    def step(self):
        self.now += 60
        self.steps += 1

    def nats(self):
        self.now += 3600
        return next(self.bounds)

    def time(self, found, **fields):
        task = Task(**{"target": 90, "max_minutes": 7, "every": 3, "device": CPU} | fields)
        timed(
            found,
            task,
            self.step,
            self.nats,
            ended=lambda: self.steps == 20,
            clock=lambda: self.now,
        )
        return found


class TestTimed:
    def test_minutes_are_of_training_alone(self):
        found = Run([200, 100, 90, 80]).time(course())
        assert (found.step, found.minutes, found.nats) == ([0, 3, 6], [0, 3, 6], [200, 100, 90])
        assert found.reached == 6

    def test_it_stops_when_the_time_is_over(self):
        found = Run([200, 100, 95, 91]).time(course())
        assert found.minutes == [0, 3, 6, 7] and found.step[-1] == 7
        assert found.end == "out of time" and found.reached is None

    def test_it_stops_where_the_schedule_ends(self):
        found = Run([200] * 9).time(course(), max_minutes=1e3)
        assert found.step[-1] == 20 and found.end == "schedule ended"

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_it_stops_at_a_bound_that_is_not_finite(self, bad):
        found = Run([200, bad]).time(course())
        assert found.end == "not finite" and found.nats == [200] and found.reached is None

    def test_what_was_measured_survives_an_interruption(self):
        found, run = course(), Run([200, 100])
        steps = iter([None] * 4)
        run.step = lambda: next(steps, steps) is steps and interrupt()
        with pytest.raises(KeyboardInterrupt):
            run.time(found)
        assert found.nats == [200, 100] and found.end == "interrupted"


def interrupt(*_):
    raise KeyboardInterrupt


def test_the_best_came_first_or_else_nearest():
    slow, fast = (course(minutes=[m], nats=[90], end="reached") for m in (3.0, 2.0))
    near, far = (course(minutes=[1.0], nats=[n], end="out of time") for n in (91, 99))
    other = course("PyTorch", minutes=[0.1], nats=[80], end="reached")
    assert best([other, far, slow, near, fast]) is fast
    assert best([other, far, near, course()]) is near
    assert best([other]) is None


@pytest.mark.parametrize("window", [5, pytest.param(2, marks=pytest.mark.slow)])
def test_plain_starts_where_drawzoo_does(window):
    """The mean bound of its first weights is the engine's, PyTorch's is far from it."""
    settings = {"reader.size": window, "writer.size": window}
    config = override(model_config("draw-mnist"), settings)
    grey = torch.rand(1, 28, 28) ** 4
    x = torch.bernoulli(grey.expand(200, 1, 28, 28))
    ours = []
    theirs = []
    for _ in range(5):
        model = build(config)
        model.start_from(grey)
        plain = PlainDraw(**check_sizes(model.config))
        plain.start_as_drawzoo(model.initial_canvas.detach()[0])
        ours.append(model.bound(x).nats.mean().item())
        theirs.append(plain(x).item())
        assert plain.encoder.bias_ih.sum() == plain.decoder.bias_ih.sum() == plain.units
    assert sum(theirs) == pytest.approx(sum(ours), rel=0.01)
    assert PlainDraw(**check_sizes(model.config))(x).item() > 1.2 * ours[0]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("draw-svhn54", {}),
        ("draw-mnist", {"image": [1, 28, 20]}),
        ("draw-mnist", {"reader.size": 1}),
    ],
)
def test_refused(name, settings):
    with pytest.raises(ConfigError, match="plain DRAW"):
        check_sizes(build(override(model_config(name), settings)).config)


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """The folder of an MNIST of 200 images, each a thick bar, upright or level."""
    root = tmp_path_factory.mktemp("bars")
    (root / "MNIST" / "raw").mkdir(parents=True)
    pixels = torch.zeros(200, 28, 28, dtype=torch.uint8)
    pixels[::2, 10:18] = 255
    pixels[1::2, :, 10:18] = 255
    labels = torch.zeros(200, dtype=torch.uint8)
    for name in ("train", "t10k"):
        for kind, x in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, x.dim()]) + b"".join(n.to_bytes(4, "big") for n in x.shape)
            path = root / "MNIST" / "raw" / f"{name}-{kind}-ubyte"
            path.write_bytes(head + x.numpy().tobytes())
    return root


class TestCommand:
    settings = ("steps=1", "latent.size=2", "decoder.units=32", "encoder.units=32")

    @pytest.fixture
    def bench(self, invoke, bars, tmp_path):
        options = [word for item in self.settings for word in ("--set", item)]
        options += ["--batch", 20, "--every", 10, "--no-compile", "--data", bars]

        def call(*args):
            out = tmp_path / "quality.png"
            args = ("bench", "quality", "draw-mnist", *options, "--out", out, *args)
            return *invoke(*args), out

        return call

    @pytest.mark.slow
    def test_all_reach_the_target(self, bench):
        code, out, err, picture = bench("--target", 215, "--json", "--epochs", 100)
        assert code == 0, err
        found = json.loads(out)
        json_page.check("bench quality", found)
        kinds = [(c["model"], c["initialisation"], c["learning_rate"]) for c in found["courses"]]
        assert kinds[1:] == [
            ("plain DRAW", "PyTorch", 1e-3),
            *(("plain DRAW", "drawzoo", rate) for rate in quality.RATES),
        ]
        assert kinds[0][:2] == ("draw-mnist", "drawzoo")
        for one in found["courses"]:
            *before, last = one["nats"]
            assert last <= 215 < min(before) or one["end"] == "out of time"
            assert one["minutes"] == sorted(one["minutes"])
            assert len(one["step"]) == len(one["minutes"]) == len(one["nats"])
        assert found["courses"][1]["end"] == "reached" and found["courses"][1]["step"][-1] > 10
        sizes = {"steps": 1, "side": 28, "units": 32, "latent": 2, "read": 5, "write": 5}
        assert found["plain"] == sizes
        assert [c["best"] for c in found["courses"]].count(True) == 1
        assert {"processor", "threads", "torch", "drawzoo", "python"} <= found.keys()
        assert picture.read_bytes().startswith(b"\x89PNG")

    def test_it_says_what_was_not_reached(self, bench):
        # No model has less than log 2 nats, since half of the bars are upright.
        code, out, err, _ = bench("--target", 0.5, "--max-minutes", 0.002, "--epochs", 10000)
        assert code == 0, err
        missed = r"0\.5 nats not reached in [0-9.]+ minutes \(out of time; at best [0-9.]+\)"
        assert len(re.findall(missed, out)) == 3
        assert "minutes of" not in out and "one after another" in out

    @pytest.mark.parametrize(
        "end, minutes",
        [("reached", [2 * quality.PATIENCE] * 2 + [2] * 3), ("schedule ended", [2] * 5)],
    )
    def test_a_plain_draw_has_a_multiple_of_the_minutes(self, bench, monkeypatch, end, minutes):
        given = []

        def timed(course, task, *_, **__):
            given.append(task.max_minutes)
            course.step, course.minutes, course.nats = [1], [2.0], [task.target]
            course.end = end

        monkeypatch.setattr(quality, "timed", timed)
        code, _, err, _ = bench("--target", 20, "--epochs", 1)
        assert code == 0, err
        assert given == [None, *minutes]

    def test_ctrl_c_keeps_what_was_measured(self, bench, monkeypatch):
        monkeypatch.setattr(quality, "train_step", interrupt)
        code, out, err, picture = bench("--target", 20, "--json", "--epochs", 1)
        assert code == 130 and err.endswith("interrupted\n")
        ours, plain = json.loads(out)["courses"]
        assert ours["end"] == "schedule ended" and len(ours["nats"]) == 2
        assert plain["end"] == "interrupted" and len(plain["nats"]) == 1
        assert picture.exists()

    def test_too_few_images(self, bench, monkeypatch, fails, data):
        code, out, err, picture = bench("--target", 20, "--data", data, "--batch", 50)
        assert code == 3 and "batch of 50" in err and not picture.exists()
