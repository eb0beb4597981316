"""The tutorial's plugin, installed as a stranger's would be: no line of the core knows of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "drawzoo-gru"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The example, built and installed into a folder of its own."""
    site = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--target", site, source], check=True, capture_output=True)
    return site


def drawzoo(*args, site=None):
    env = {**os.environ, "PYTHONPATH": str(site or "")}
    command = [sys.executable, "-m", "drawzoo", *map(str, args)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_found_trained_saved_loaded_sampled_and_missed(site, tmp_path):
    listed = drawzoo("plugins", "--json", site=site)
    assert '"distribution": "drawzoo-gru"' in listed.stdout

    run, picture = tmp_path / "run", tmp_path / "gru.png"
    smaller = ("--set", "dataset=synthetic", "--set", "steps=3", "--set", "batch_size=32")
    trained = drawzoo("train", "gru-mnist", *smaller, "--max-steps", 50, "--out", run, site=site)
    assert trained.returncode == 0, trained.stderr

    sampled = drawzoo("sample", f"local-dir:{run}", "--num", 4, "--out", picture, site=site)
    assert sampled.returncode == 0, sampled.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")

    missed = drawzoo("sample", f"local-dir:{run}", "--out", picture)
    assert missed.returncode == 7
    assert missed.stderr.strip().endswith("only if you trust it and whoever made the model")
    assert "'drawzoo-gru'" in missed.stderr and len(missed.stderr.splitlines()) == 1


@pytest.mark.slow
def test_its_own_tests_pass(site):
    env = {**os.environ, "PYTHONPATH": str(site)}
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE]
    done = subprocess.run(pytest, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_tutorial_shows_the_files_as_they_are():
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    blocks = [block.strip() for block in re.findall(r"```(?:python|toml)\n(.*?)```", text, re.S)]
    for file in EXAMPLE.iterdir():
        if file.is_file():
            code = file.read_text(encoding="utf-8").strip()
            # The tutorial's prose takes the place of a module's docstring.
            code = re.sub(r'\A""".*?"""\s*', "", code, flags=re.S)
            assert code in blocks, file.name
