"""What drawzoo says of plugins that are slow, forgetful or give models that cannot be used."""

import itertools
import json
from types import SimpleNamespace

import pytest

import drawzoo
from drawzoo.registry import loader as plugins
from drawzoo.registry.loader import Plugins


class Point(SimpleNamespace):
    name = "mine"
    dist = SimpleNamespace(name="drawzoo-mine", version="1")

    def load(self):
        return self.plugin


@pytest.mark.parametrize("seconds, said", [(0.4, False), (0.6, True), (12.0, True)])
def test_a_slow_plugin_is_named(monkeypatch, caplog, seconds, said):
    monkeypatch.setattr(plugins, "SLOW", 0.5)
    clock = itertools.count(step=seconds)
    monkeypatch.setattr(plugins, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    Plugins().load(Point(plugin=SimpleNamespace()))
    assert ("drawzoo-mine took" in caplog.text) is said
    assert (f"{seconds} s" in caplog.text) is said


def test_a_forgotten_mark_is_said(caplog):
    def register_encoders(register):
        raise AssertionError

    @drawzoo.hookimpl
    def register_models(register):
        pass

    module = SimpleNamespace(register_encoders=register_encoders, register_models=register_models)
    Plugins().load(Point(plugin=module))
    (line,) = caplog.messages
    assert "drawzoo-mine" in line and "register_encoders" in line and "@drawzoo.hookimpl" in line


def test_a_plugin_that_asks_for_others_while_it_is_loaded(monkeypatch, caplog):
    """In one line, and at once; whoever asks afterwards gets an answer."""
    calls = []

    @drawzoo.hookimpl
    def register_models(register):
        calls.append(1)
        register("mine-mnist", drawzoo.model_config("draw-mnist"))

    point = Point(plugin=SimpleNamespace(register_models=register_models))
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    plugins.installed.cache_clear()
    try:
        (plugin,) = plugins.installed().plugins
        assert "package.module:attribute" in plugin.error and len(calls) == 1
        assert len(caplog.messages) == 1 and plugins.registry()
    finally:
        plugins.installed.cache_clear()


def test_bad_models_are_listed(invoke, monkeypatch, tiny):
    @drawzoo.hookimpl
    def register_models(register):
        register("wrong-name", tiny())
        register("tiny-nowhere", "no.such.module:CONFIG")

    own = Plugins()
    own.load(Point(plugin=SimpleNamespace(register_models=register_models)))
    monkeypatch.setattr(plugins, "installed", lambda: own)
    problems = json.loads(invoke("plugins", "--json")[1])["problems"]
    assert [p.split(": ")[0] for p in problems] == [
        "model drawzoo-mine:tiny-nowhere",
        "model drawzoo-mine:wrong-name",
    ]
    code, out, err = invoke("plugins")
    assert code == 0 and err.count("problem: ") == 2
