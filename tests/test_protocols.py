"""A protocol that a plugin registers is as good as the core's."""

import json
import sys

import pytest
import torch

from drawzoo.data.images import Images
from drawzoo.errors import ConfigError, PluginError, UnknownNameError
from drawzoo.evaluation.measure import evaluate, measure_again
from drawzoo.evaluation.protocol import find_protocol, read_figures
from drawzoo.registry.loader import Plugins, installed
from drawzoo.schema.figures import facts

CODE = """
from drawzoo import Figure, Metric, Protocol, hookimpl


class InkFigure(Figure, frozen=True, kw_only=True, tag="ink"):
    power: int
    ink: float


class Ink(Protocol):
    figure = InkFigure
    title = "ink of samples"
    columns = ("ink",)
    settings = {"power": 1}

    def measure(self, model, images, conditions):
        import torch

        generator = torch.Generator().manual_seed(conditions.seed)
        drawn = model.sample(len(images.pixels), generator=generator)
        power = conditions.settings["power"]
        return {"ink": drawn.pow(power).mean().item(), "power": power}

    def in_words(self, figure):
        return f"{figure.ink:.3f} of the canvas is ink"

    def row(self, figure):
        return [f"{figure.ink:.3f}"]

    def explanation(self, figures):
        return "The mean of the pixels."

    def metrics(self, figure):
        return [Metric("ink", "Ink", figure.ink)]


@hookimpl
def register_protocols(register):
    register("ink", Ink, summary="how much ink samples have")
    register("blood", Ink)
    register("sweat", dict)
"""


@pytest.fixture
def ink(tmp_path, monkeypatch):
    (tmp_path / "inky.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    installed.cache_clear()
    import inky

    installed().add(inky, "zoo-inky", "inky")
    yield inky
    installed.cache_clear()
    sys.modules.pop("inky")


def images(count=5):
    return Images(torch.zeros(count, 1, 28, 28, dtype=torch.uint8), None, True)


class TestOfAPlugin:
    def test_measures_what_it_says(self, ink, double):
        model = double()
        x = Images(torch.zeros(5, *model.config.image, dtype=torch.uint8), None, True)
        figure = evaluate(model, "ink", x, dataset="synthetic", seed=3, power=2)
        drawn = model.sample(5, generator=torch.Generator().manual_seed(3))
        assert figure.ink == pytest.approx(drawn.pow(2).mean().item())
        assert (figure.power, figure.images, figure.protocol) == (2, 5, "ink")
        assert read_figures([facts(figure)]) == [figure]

    def test_recorded_settings_are_used_again(self, ink, double):
        model = double(image=(1, 28, 28))
        where = {"model": "m", "dataset": "synthetic", "split": "test", "images": 7, "seed": 1}
        recorded = ink.InkFigure(**where, power=3, ink=0.0)
        again = measure_again(model, recorded, None)
        assert (again.power, again.images, again.seed) == (3, 7, 1) and again.ink > 0

    def test_on_the_command_line(self, ink, run):
        options = ("--dataset", "synthetic", "--images", 3, "--protocol", "ink")
        code, lines, said = run("evaluate", "draw-t1-mnist", *options, "--json")
        assert code == 0, said
        assert json.loads(lines[0])["protocol"] == "ink"
        assert "of the canvas is ink (3 images" in run("evaluate", "draw-t1-mnist", *options)[1][0]

    def test_on_a_card(self, ink):
        from drawzoo.cards.tables import eval_results, figures_text

        where = {"model": "m", "dataset": "mnist", "split": "test", "images": 7, "seed": 1}
        figure = ink.InkFigure(**where, power=1, ink=0.125)
        text = figures_text([figure])
        assert "### Protocol `ink`: ink of samples" in text and "| 0.125 |" in text
        assert [result.metric_value for result in eval_results([figure])] == [0.125]

    def test_unknown_settings(self, ink, double):
        with pytest.raises(ConfigError, match="no setting 'k'"):
            evaluate(double(), "ink", images(), dataset="synthetic", k=1)

    @pytest.mark.parametrize("name", ["blood", "sweat"])
    def test_what_is_no_protocol_of_that_name(self, ink, name):
        with pytest.raises(PluginError, match=f"zoo-inky:{name}"):
            find_protocol(name)

    def test_a_bad_one_harms_no_other(self, ink, run):
        assert run("info", "draw-mnist")[0] == run("list")[0] == 0


def test_unknown_protocol():
    with pytest.raises(UnknownNameError, match="did you mean bound"):
        find_protocol("bond")


def test_figures_of_a_protocol_that_is_gone_are_left_out():
    where = {"model": "m", "dataset": "mnist", "split": "test", "images": 7, "seed": 1}
    assert "ink" not in Plugins().registry.in_order("protocol")
    assert read_figures([{**where, "protocol": "ink", "ink": 1.0}]) == []
