"""`pytest --drawzoo`: the kit on all that a plugin registers, and nothing for anybody else."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

PLUGIN = """
    import drawzoo

    @drawzoo.hookimpl
    def register_encoders(register):
        register("sound", "toy_parts:Sound")
        register("forgetful", "toy_parts:Forgetful")

    @drawzoo.hookimpl
    def register_datasets(register):
        register("strokes", "drawzoo.data.synthetic:SYNTHETIC")

    @drawzoo.hookimpl
    def register_models(register):
        part = drawzoo.ComponentConfig
        config = drawzoo.ModelConfig(
            variant="toy",
            image=(1, 8, 8),
            steps=2,
            reader=part(name="attention", config={"size": 2}),
            encoder=part(name="sound", config={"units": 4}),
            decoder=part(name="lstm", config={"units": 4}),
            latent=part(name="gaussian", config={"size": 2}),
            writer=part(name="attention", config={"size": 2}),
        )
        register("toy-mnist", config)
"""
PARTS = """
    import torch
    from torch import nn

    import drawzoo

    class Sound(drawzoo.Encoder):
        class Config(drawzoo.Config, frozen=True):
            units: drawzoo.Size

        def __init__(self, config, sizes):
            super().__init__()
            self.out_features = config.units
            self.cell = nn.GRUCell(sizes.glimpse + sizes.decoder, config.units)

        def initial_state(self, batch):
            return (self.cell.bias_ih.new_zeros(batch, self.out_features),)

        def forward(self, glimpse, h_dec, state, context):
            h = self.cell(torch.cat([glimpse, h_dec], dim=1), state[0])
            return h, (h,)

    class Forgetful(Sound):
        class Config(drawzoo.Config, frozen=True):
            units: drawzoo.Size = 4

        def forward(self, glimpse, h_dec, state, context):
            return super().forward(torch.zeros_like(glimpse), h_dec, state, context)
"""


@pytest.fixture
def project(tmp_path):
    """A plugin, installed in a folder of its own; runs pytest in its checkout."""
    site, checkout = tmp_path / "site", tmp_path / "checkout"
    info = site / "drawzoo_toy-1.0.dist-info"
    info.mkdir(parents=True)
    checkout.mkdir()
    (site / "drawzoo_toy.py").write_text(dedent(PLUGIN))
    (site / "toy_parts.py").write_text(dedent(PARTS))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drawzoo-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[drawzoo]\ntoy = drawzoo_toy\n")
    (checkout / "pyproject.toml").write_text('[project]\nname = "drawzoo-toy"\n')

    def run(*arguments, below="."):
        env = {**os.environ, "PYTHONPATH": str(site), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "drawzoo.pytest_plugin", "-v"]
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", *arguments],
            cwd=checkout / below,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_the_whole_plugin_is_checked(project):
    code, said = project("--drawzoo")
    assert code == 1, said
    assert "1 failed, 4 passed" in said
    for what in ("plugin", "encoder sound", "dataset strokes", "model toy-mnist"):
        assert f"drawzoo-toy::{what} PASSED" in said
    # The fault, and no line of the kit's own.
    assert "encoder Forgetful ignores its glimpse" in said and "Traceback" not in said
    assert ".py:" not in said.partition("FAILURES")[2].partition("short test summary")[0]


@pytest.mark.slow
def test_some_of_it_by_name(project):
    code, said = project("--drawzoo=toy", "-k", "model")
    assert code == 0 and "1 passed, 4 deselected" in said


@pytest.mark.slow
def test_a_name_that_is_no_plugin_s(project):
    code, said = project("--drawzoo=drawzoo-tox")
    assert code == 4 and "did you mean drawzoo-toy" in said and "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("below", [".", "tests"])
def test_a_plugin_s_folder_in_the_checkout_of_another_project(project, tmp_path, below):
    """pytest's own root is the folder above, since the settings of pytest are there."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "other"\n[tool.pytest.ini_options]\n'
    )
    (tmp_path / "checkout" / "tests").mkdir()
    code, said = project("--drawzoo", "--collect-only", below=below)
    assert "<_Check encoder sound>" in said, said


def test_whoever_does_not_ask_has_nothing_of_it(project, tmp_path):
    """Not even torch."""
    (tmp_path / "checkout" / "test_mine.py").write_text(
        "import sys\ndef test_mine(): assert 'torch' not in sys.modules\n"
    )
    code, said = project()
    assert code == 0 and "1 passed" in said


def test_it_is_announced():
    with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
        points = tomllib.load(file)["project"]["entry-points"]
    assert points["pytest11"] == {"drawzoo": "drawzoo.pytest_plugin"}
