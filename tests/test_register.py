"""Components and models without a package: `drawzoo.register`, and `drawzoo --plugin FILE.py`."""

import json
import os
import shutil
import subprocess
import sys

import msgspec
import pytest

import drawzoo
from drawzoo.errors import ConfigError, PluginError, UnknownNameError
from drawzoo.registry.loader import installed
from drawzoo.registry.registry import LOCAL

FILE = """
import torch
from torch import nn

import drawzoo


class Mean(drawzoo.Reader):
    class Config(drawzoo.Config, frozen=True):
        factor: float = 1.0

    def __init__(self, config, sizes):
        super().__init__()
        self.factor, self.out_features = config.factor, 2 * sizes.image[0]

    def forward(self, x, error, h_dec):
        return self.factor * torch.cat([x, error], dim=1).mean(dim=(2, 3)), None


print("said by the file")


@drawzoo.hookimpl
def register_readers(register):
    register("mean", Mean)


@drawzoo.hookimpl
def register_models(register):
    config = drawzoo.ModelConfig(
        variant="averaged",
        reader=drawzoo.ComponentConfig(name="mean"),
        encoder=drawzoo.ComponentConfig(name="lstm", config={"units": 8}),
        writer=drawzoo.ComponentConfig(name="attention"),
    )
    register("averaged-mnist", config)
"""


pytestmark = pytest.mark.usefixtures("forget_local")


def test_registering_again_replaces():
    config = msgspec.structs.replace(drawzoo.model_config("draw-mnist"), variant="mine")
    for steps in (3, 4):
        drawzoo.register("model", "mine-mnist", msgspec.structs.replace(config, steps=steps))
    assert drawzoo.list_models("mine-*") == ["mine-mnist"]
    assert drawzoo.build(drawzoo.model_config("mine-mnist")).steps == 4


def test_a_component_defined_twice_is_the_second():
    for factor in (1, 2):

        class Reader(drawzoo.Reader):
            out_features = 1
            scale = factor

            def forward(self, x, error, h_dec):
                return self.scale * x.mean(dim=(1, 2, 3))[:, None], None

        drawzoo.register("reader", "tried", Reader)
    config = drawzoo.model_config("draw-mnist")
    reader = drawzoo.ComponentConfig(name="tried")
    built = drawzoo.build(msgspec.structs.replace(config, reader=reader))
    assert built.reader.scale == 2 and built.config.reader.plugin == LOCAL


@pytest.mark.parametrize("kind, name", [("readers", "x"), ("command", "x"), ("reader", "A b")])
def test_what_cannot_be_registered(kind, name):
    with pytest.raises(ConfigError):
        drawzoo.register(kind, name, object())


def test_names_of_installed_plugins_are_kept():
    with pytest.raises(PluginError, match="given by drawzoo"):
        drawzoo.register("encoder", "lstm", object())
    assert installed().registry.find("encoder", "lstm").distribution == "drawzoo"


def call(*args, cwd):
    command = [sys.executable, "-m", "drawzoo", *map(str, args)]
    env = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.slow
def test_a_file_is_run_as_a_plugin_and_asked_for_again(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    plugin, run = ("--plugin", "mine.py"), tmp_path / "run"
    small = ("--set", "dataset=synthetic", "--set", "batch_size=16", "--max-steps", "2")
    trained = call(*plugin, "train", "averaged-mnist", *small, "--out", run, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr.splitlines()[0] == "running mine.py, which can do all that you can"
    assert "said by the file" in trained.stderr and trained.stdout == ""
    sample = ("sample", f"local-dir:{run}", "--num", 1, "--out", tmp_path / "s.png")
    assert call(*plugin, *sample, cwd=tmp_path).returncode == 0
    missed = call(*sample, cwd=tmp_path)
    assert missed.returncode == 7 and "--plugin FILE.py" in missed.stderr
    assert missed.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "text, word",
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("x = 1", "registers nothing"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_file_that_is_no_plugin(tmp_path, text, word):
    from drawzoo.registry.local import run_file

    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(PluginError, match=word):
        run_file(tmp_path / "bad.py")


def test_a_model_of_something_not_registered_says_so():
    config = msgspec.structs.replace(
        drawzoo.model_config("draw-mnist"),
        encoder=drawzoo.ComponentConfig(name="gone", plugin=LOCAL),
    )
    with pytest.raises(PluginError, match="register it again"):
        drawzoo.build(config)
    with pytest.raises(UnknownNameError):
        drawzoo.build(msgspec.structs.replace(config, encoder=drawzoo.ComponentConfig(name="gone")))


def test_a_model_without_a_package_gets_no_card(trained, data, tmp_path):
    from drawzoo_draw.reader import AttentiveReader

    from drawzoo.cards.make import make_card

    drawzoo.register("reader", "own", AttentiveReader)
    run, cards = tmp_path / "run", tmp_path / "cards"
    shutil.copytree(trained, run)
    cards.mkdir()
    text = (run / "config.json").read_text()
    config = json.loads(text)
    config["reader"] |= {"name": "own", "plugin": LOCAL}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="new-plugin NAME --kind reader"):
        make_card(run, cards, data=data)
    assert not list(cards.iterdir())
