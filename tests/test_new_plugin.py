"""`drawzoo new-plugin`: what it makes works as it is, under any name."""

import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from drawzoo.cli.new_plugin import command
from drawzoo.errors import ConfigError, OutputError
from drawzoo.registry.registry import Registrar


def make(name, to):
    return CliRunner().invoke(command, [name, "--to", str(to)], catch_exceptions=False)


@pytest.mark.parametrize("name, encoder", [("wavelet", "Wavelet"), ("two-way-3", "TwoWay3")])
def test_the_new_plugin_works(tmp_path, monkeypatch, name, encoder):
    folder = tmp_path / f"drawzoo-{name}"
    result = make(name, tmp_path)
    assert result.stdout.strip() == str(folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == f"drawzoo-{name}"
    (module,) = project["project"]["entry-points"]["drawzoo"].values()
    assert sorted(p.name for p in folder.glob("drawzoo_*.py")) == sorted(
        f"{m}.py" for m in project["tool"]["setuptools"]["py-modules"]
    )
    assert not any("gru" in path.name for path in folder.iterdir())

    monkeypatch.syspath_prepend(folder)
    plugin = __import__(module)
    registrars = {kind: Registrar(kind, f"drawzoo-{name}", name) for kind in ("encoder", "model")}
    plugin.register_encoders(registrars["encoder"])
    plugin.register_models(registrars["model"])
    assert registrars["encoder"].entries[0].load().__name__ == f"{encoder}Encoder"
    config = registrars["model"].entries[0].load()
    assert config.encoder.name == registrars["encoder"].entries[0].name == name
    assert registrars["model"].entries[0].name == config.name == f"{name}-mnist"
    for loaded in [m for m in sys.modules if m.startswith(module)]:
        del sys.modules[loaded]


def test_its_test_passes(tmp_path):
    make("ripple", tmp_path)
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(
        pytest_, cwd=tmp_path / "drawzoo-ripple", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("name", ["", "Wavelet", "../x", "a b", "3d", "drawzoo-x", "é"])
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


@pytest.mark.parametrize("name", ["lstm", "model1", "conv", "taken"])
def test_a_name_in_use_is_refused(tmp_path, monkeypatch, name):
    (tmp_path / "drawzoo_taken.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="in use"):
        make(name, tmp_path)
    assert not (tmp_path / f"drawzoo-{name}").exists()
