"""`drawzoo new-plugin`: what it makes works as it is, of every kind and under any name."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from environments import Environment

from drawzoo.cli.new_plugin import KINDS, LICENCES, command
from drawzoo.errors import ConfigError, OutputError
from drawzoo.registry.loader import Plugins

EXAMPLE = Path(__file__).parent.parent / "examples" / "drawzoo-gru"
MODELS = dict.fromkeys(KINDS[:6], "{}-mnist") | {"model": "{}-mnist", "dataset": "draw-{}"}


def make(name, to, *options):
    arguments = [name, "--to", str(to), *options]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.fixture
def imported(monkeypatch):
    """Imports a module of a folder, which is forgotten after the test."""
    before = set(sys.modules)

    def get(folder, module):
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module(module)

    yield get
    for module in set(sys.modules) - before:
        if "drawzoo_two" in module:
            del sys.modules[module]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_what_it_says_and_passes_its_test(tmp_path, imported, kind):
    folder = tmp_path / "drawzoo-two-way-3"
    result = make("two-way-3", tmp_path, "--kind", kind)
    assert result.stdout.strip() == str(folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "drawzoo-two-way-3"
    (module,) = project["project"]["entry-points"]["drawzoo"].values()
    assert sorted(path.name for path in folder.glob("drawzoo_*.py")) == sorted(
        f"{name}.py" for name in project["tool"]["setuptools"]["py-modules"]
    )
    plugins = Plugins(strict=True)
    gives = plugins.add(imported(folder, module), "drawzoo-two-way-3", "two_way_3")
    model = MODELS.get(kind, "").format("two-way-3")
    names = {kind: ["two-way-3"]} if kind != "model" else {}
    assert gives == names | ({"model": [model]} if model else {})
    for entries in (plugins.registry.entries(one) for one in gives if one != "command"):
        for entry in entries:
            target = entry.load()
            assert entry.kind != "model" or target.name == model
    tests = imported(folder, f"test_{module}")
    assert callable(tests.test_plugin)  # It wants an installed one: see below.
    getattr(tests, f"test_{kind}")()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_installed_tested_used_and_removed(tmp_path, kind):
    """In an environment beside drawzoo, whose packages it sees and does not change."""
    environment = Environment(tmp_path / "site")

    def call(*arguments):
        return environment.run("python", "-m", *arguments)

    small = ("--set", "dataset=synthetic", "--set", "batch_size=32", "--max-steps", "3")
    name = f"tried-{kind}"
    make(name, tmp_path, "--kind", kind)
    folder, run = tmp_path / f"drawzoo-{name}", tmp_path / "run"
    call("pip", "install", "-q", "--no-index", "--no-build-isolation", "--no-deps", folder)
    call("pytest", "-q", "-p", "no:cacheprovider", folder)
    call("drawzoo", "plugins", "--check", f"drawzoo-{name}")
    if kind == "dataset":
        call("drawzoo", "train", f"draw-{name}", "--max-steps", 3, "--out", run)
    elif kind == "optimizer":
        call("drawzoo", "train", "draw-mnist", *small, "--set", f"optimizer={name}", "--out", run)
    elif kind in MODELS:
        call("drawzoo", "train", f"{name}-mnist", *small, "--out", run)
    elif kind == "command":
        assert "likelihood" in call("drawzoo", name, "draw-mnist")
    if run.exists():
        call("drawzoo", "sample", f"local-dir:{run}", "--num", 4, "--out", run / "s.png")
    if kind == "protocol":
        on = ("--dataset", "mnist-sample", "--protocol", name)
        assert "brightness" in call("drawzoo", "evaluate", "draw-mnist", *on)
    call("pip", "uninstall", "-q", "-y", f"drawzoo-{name}")
    assert name not in call("drawzoo", "plugins", "--json")


@pytest.mark.parametrize("licence", LICENCES)
def test_licence(tmp_path, licence):
    make("wavelet", tmp_path, "--license", licence)
    folder = tmp_path / "drawzoo-wavelet"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project.get("license", "none") == licence
    assert (folder / "LICENSE").exists() is (licence != "none")


def test_the_tutorials_plugin_is_what_is_made(tmp_path):
    make("gru", tmp_path)
    for file in EXAMPLE.glob("*.py"):
        made = (tmp_path / "drawzoo-gru" / file.name).read_text()
        assert made.replace("GruEncoder", "GRUEncoder") == file.read_text()


@pytest.mark.parametrize("name", ["", "Wavelet", "../x", "a b", "3d", "drawzoo-x", "é", "a-", "a_"])
def test_names_that_cannot_be(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot name a plugin"):
        make(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    make("wavelet", tmp_path)
    edited = tmp_path / "drawzoo-wavelet" / "drawzoo_wavelet.py"
    edited.write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        make("wavelet", tmp_path)
    assert edited.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "kind, name",
    [
        ("encoder", "lstm"),
        ("encoder", "model1"),
        ("encoder", "conv"),
        ("encoder", "taken"),
        ("reader", "other"),
        ("reader", "whole"),
        ("dataset", "synthetic"),
        ("dataset", "mnist"),
        ("model", "model3"),
        ("protocol", "iwae"),
        ("optimizer", "muon"),
        ("command", "train"),
        ("command", "encode"),
    ],
)
def test_a_name_in_use_is_refused(tmp_path, monkeypatch, kind, name):
    for module in ("drawzoo_taken", "drawzoo_other_reader"):
        (tmp_path / f"{module}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="in use"):
        make(name, tmp_path, "--kind", kind)
    assert not (tmp_path / f"drawzoo-{name}").exists()
