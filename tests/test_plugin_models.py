"""Models of plugins are first class: a distribution's own pins and copies, by every command."""

import json
import re
import shutil
import sys
import textwrap
from pathlib import Path

import pytest
from environments import Environment
from loopback import TOKEN

import drawzoo
from drawzoo.disk.paths import hub_cache
from drawzoo.engine.saving import write_model
from drawzoo.errors import PluginError, WeightsError
from drawzoo.registry.loader import installed
from drawzoo.schema.manifest import CARD, CONFIG, WEIGHTS, pins, read_manifest, verify
from drawzoo.store import published
from drawzoo.store.sources import cached, locate, shipped
from drawzoo.testing.installed import check_plugins

NAME, DISTRIBUTION = "toy-mnist", "drawzoo-toy"
PLUGIN = """
import drawzoo
from drawzoo.schema.base import override
from drawzoo_draw.models import DRAW_MNIST

@drawzoo.hookimpl
def register_models(register):
    for variant in {variants}:
        config = override(DRAW_MNIST, {settings} | {{"variant": variant}})
        register(f"{{variant}}-mnist", config, summary="a toy", weights={weights!r})
"""
SETTINGS = {"latent.size": 2, "decoder.units": 8, "encoder.units": 8, "steps": 2}

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Installs a plugin from its checkout, the current folder: its package for weights."""
    root = tmp_path / "checkout"
    info = root / "drawzoo_toy-1.2.dist-info"
    info.mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(root))

    def install(weights="drawzoo_toy_models", variants=("toy",)):
        code = PLUGIN.format(variants=variants, settings=SETTINGS, weights=weights)
        (root / "drawzoo_toy.py").write_text(code)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {DISTRIBUTION}\nVersion: 1.2\n"
            "License-Expression: BSD-3-Clause\n"
        )
        (info / "entry_points.txt").write_text("[drawzoo]\ntoy = drawzoo_toy\n")
        package = root / "drawzoo_toy_models"
        package.mkdir(exist_ok=True)
        return package

    for cache in (installed, published._find, published.read):
        cache.cache_clear()
    yield install
    for cache in (installed, published._find, published.read):
        cache.cache_clear()
    sys.modules.pop("drawzoo_toy", None)


@pytest.fixture
def plugin(checkout):
    """A plugin with a model that ships."""
    package = checkout()
    put(package, NAME)
    return package


def put(package, name):
    """Puts a model into a package, as `drawzoo card` does, with new weights."""
    folder = package / "model_cards" / name
    folder.mkdir(parents=True)
    model = drawzoo.build(drawzoo.model_config(f"{DISTRIBUTION}:{name}"))
    write_model(folder, model.config, model.state_dict())
    (folder / CARD).write_text("---\nlicense: mit\n---\n")
    entry = published.Published(f"user/{name}", None, 1, pins(folder), [])
    published_manifest(package, name, entry)
    return folder


def published_manifest(package, name, entry):
    from drawzoo.schema.manifest import write_manifest

    write_manifest(package / "manifest.json", name, entry)
    published.read.cache_clear()


def row(invoke, name, command="list"):
    code, out, err = invoke(command, *([name] if command == "info" else []), "--json")
    assert code == 0, err
    found = json.loads(out)
    return found if command == "info" else next(one for one in found if one["name"] == name)


def test_every_command_serves_what_a_plugin_ships(invoke, plugin):
    folder = plugin / "model_cards" / NAME
    files = read_manifest(plugin / "manifest.json")[NAME].files
    for facts in (row(invoke, NAME), row(invoke, NAME, "info")):
        assert (facts["plugin"], facts["source"]) == (DISTRIBUTION, "shipped")
        assert facts["sha256"] == files[WEIGHTS].sha256
    assert row(invoke, NAME, "info")["folder"] == str(folder)
    assert invoke("pull", NAME, "--source", "shipped")[1] == f"{folder}\n"
    assert invoke("verify", NAME, "--no-figures")[0] == 0
    assert NAME in invoke("verify", "--no-figures")[1]
    assert (
        drawzoo.load(NAME).config.name == NAME == drawzoo.load(f"{DISTRIBUTION}:{NAME}").config.name
    )
    assert not [finding for finding in check_plugins("toy") if finding.problem]


def test_what_ships_is_checked_against_its_own_pins(invoke, plugin):
    weights = plugin / "model_cards" / NAME / WEIGHTS
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(WeightsError, match="not the published file"):
        drawzoo.load(NAME)
    assert invoke("verify", NAME, "--no-figures")[0] == 6
    (finding,) = [finding for finding in check_plugins("toy") if finding.problem]
    assert finding.what == f"model {NAME}" and "not the published file" in finding.problem


def test_no_plugin_takes_over_drawzoo_s_pins(invoke, checkout):
    """Of the same name, and with drawzoo's own address: the bare name means drawzoo's."""
    package = checkout(variants=("draw",))
    theirs = put(package, "draw-mnist")
    ours = read_manifest(published.shelf("drawzoo").manifest)["draw-mnist"]
    assert locate("draw-mnist").folder == shipped("draw-mnist") != theirs
    verify(locate("draw-mnist").folder, ours, (CONFIG, WEIGHTS))
    assert locate(f"{DISTRIBUTION}:draw-mnist").folder == theirs
    known = published.manifest()
    assert known["draw-mnist"] == ours
    assert known[f"{DISTRIBUTION}:draw-mnist"].files != ours.files
    code, out, _ = invoke("pull", "--all", "--source", "shipped", "--to", "there")
    assert code == 0 and len(set(out.splitlines())) == len(known)


@pytest.mark.parametrize("raw", ["", "{", '{"models": {"toy-mnist": 1}}'])
def test_a_broken_manifest_costs_its_own_models(invoke, fails, plugin, caplog, raw):
    (plugin / "manifest.json").write_text(raw)
    published.read.cache_clear()
    assert row(invoke, NAME)["source"] is None
    assert row(invoke, "draw-mnist")["source"] == "shipped"
    assert DISTRIBUTION in caplog.text and len(set(caplog.messages)) == 1
    assert drawzoo.load("draw-mnist")
    assert str(plugin / "manifest.json") in fails("sample", NAME)[1]
    assert [f.what for f in check_plugins("toy") if f.problem] == [f"model {NAME}"]


def test_a_package_that_is_not_there(invoke, checkout):
    checkout(weights="drawzoo_toy_nowhere")
    assert row(invoke, NAME)["source"] is None
    with pytest.raises(PluginError, match="drawzoo_toy_nowhere"):
        drawzoo.load(NAME)
    assert [f.what for f in check_plugins("toy") if f.problem] == [f"model {NAME}"]


@pytest.fixture
def trained(checkout, invoke, data, tmp_path, monkeypatch):
    """A plugin without weights, and the folder of a finished run of its model."""
    monkeypatch.setattr("drawzoo.evaluation.quality.LEAST", 10)
    package, run = checkout(), tmp_path / "run"
    options = ("--set", "batch_size=10", "--max-steps", 3)
    assert invoke("train", NAME, *options, "--data", data, "--out", run)[0] == 0
    return package, run


def test_from_the_run_to_the_hub_and_back(invoke, trained, data, loopback, monkeypatch):
    package, run = trained
    # In the checkout the card goes into the plugin's own package.
    code, out, said = invoke("card", run, "--data", data)
    folder = package / "model_cards" / NAME
    assert (code, out) == (0, f"{folder}\n"), said
    published.read.cache_clear()
    entry = read_manifest(package / "manifest.json")[NAME]
    assert entry.repository == f"{DISTRIBUTION}/{NAME}" and entry.figures
    verify(folder, entry)
    card = (folder / CARD).read_text()
    assert f"pip install drawzoo {DISTRIBUTION}==1.2\n" in card
    assert "license: bsd-3-clause" in card
    assert f"drawzoo sample {NAME} " in card and "hf-hub" not in card
    assert invoke("verify", NAME, "--figures", "sample")[0] == 0
    assert row(invoke, NAME)["bound_nats"] == pytest.approx(
        next(f["nats_mean"] for f in entry.figures if f["dataset"] == "mnist")
    )
    before = card
    assert invoke("card", NAME)[0] == 0
    assert (folder / CARD).read_text() == before

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    code, out, said = invoke("publish", "--all", "--namespace", "user", "--pin")
    assert code == 0, said
    assert list(loopback.repositories) == [f"user/{NAME}"]
    published.read.cache_clear()
    entry = read_manifest(package / "manifest.json")[NAME]
    assert entry.commit and json.loads(out)[NAME]["commit"] == entry.commit

    # A distribution that only pins: the model comes from the Hub, checked.
    shutil.rmtree(package / "model_cards")
    published._find.cache_clear()
    assert row(invoke, NAME)["source"] == "hub"
    assert drawzoo.load(NAME).config.name == NAME
    assert invoke("pull", NAME)[0] == 0
    assert row(invoke, NAME)["source"] == "cache"
    verify(cached(NAME), entry)
    loopback.fault("wrong", path=WEIGHTS)
    shutil.rmtree(hub_cache())
    with pytest.raises(WeightsError, match="not the published file"):
        drawzoo.load(NAME)


def test_the_card_of_somebody_s_own_weights_gives_their_address(invoke, trained, data, tmp_path):
    _, run = trained
    cards = tmp_path / "cards"
    cards.mkdir()
    assert invoke("card", run, "--cards", cards, "--data", data)[0] == 0
    card = (cards / NAME / CARD).read_text()
    assert f"drawzoo sample hf-hub:USER/{NAME} " in card and f"drawzoo verify {NAME}" not in card
    assert f"{DISTRIBUTION}==1.2" in card


def test_no_card_without_a_place(fails, trained, data, tmp_path, monkeypatch):
    """What is installed is never written to, unless it is the checkout that one is in."""
    package, run = trained
    monkeypatch.chdir(tmp_path / "run")
    assert "--cards DIR" in fails("card", run, "--data", data)[1]
    assert not (package / "manifest.json").exists() and not (package / "model_cards").exists()


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", textwrap.dedent(text), re.S)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shipped", [True, False], ids=["shipped", "hub"])
def test_a_stranger_follows_the_card(tmp_path, loopback, shipped):
    """A new plugin by the page on publishing, and its card word for word, each in its own place."""
    page = (Path(__file__).parent.parent / "docs" / "publishing.md").read_text()
    page = page.partition("## The models of your plugin")[2].partition("## ")[0]
    name, author = "gru-synthetic", Environment(tmp_path / "author")
    author.run("drawzoo", "new-plugin", "gru", "--license", "Apache-2.0", cwd=tmp_path)
    checkout = tmp_path / "drawzoo-gru"
    plugin, project = checkout / "drawzoo_gru.py", checkout / "pyproject.toml"
    weights = re.search(r', weights="\w+"', page)[0]
    code = plugin.read_text().replace("mnist", "synthetic").replace('config={"units": 128}', "")
    plugin.write_text(code.replace('"DRAW with a GRU encoder"', f'"a GRU"{weights}'))
    (toml,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    before = project.read_text().partition("[tool.setuptools]")[0]
    project.write_text(before + textwrap.dedent(toml))
    (checkout / "drawzoo_gru_models").mkdir()

    pip = ("--no-index", "--no-build-isolation", "--no-deps")
    author.run("pip", "install", "-q", *pip, "-e", ".", cwd=checkout)
    small = ("--set", "batch_size=32", "--set", "steps=2", "--max-steps", 5)
    author.run("drawzoo", "train", name, *small, "--out", "runs/gru", cwd=checkout)
    author.run("drawzoo", "card", "runs/gru", cwd=checkout)
    settings = {
        "HF_TOKEN": TOKEN,
        "HF_ENDPOINT": loopback.endpoint,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
    }
    publish = ("publish", name, "--repo", f"user/{name}", "--pin")
    author.run("drawzoo", *publish, cwd=checkout, env=settings)
    package = checkout / "drawzoo_gru_models"
    card = (package / "model_cards" / name / CARD).read_text()
    if not shipped:
        shutil.rmtree(package / "model_cards")
    author.run("pip", "wheel", "-q", *pip, "-w", tmp_path / "wheels", ".", cwd=checkout)

    user, there = Environment(tmp_path / "user"), tmp_path / "there"
    there.mkdir()
    settings |= {"HF_TOKEN": "", "HF_HOME": str(there / "hf")}
    (install, *_), (python,) = blocks(card, "sh"), blocks(card, "python")
    assert "drawzoo-gru==0.1.0" in install and "license: apache-2.0" in card
    script = tmp_path / "card.sh"
    script.write_text(f"set -e\n{install}")
    user.run(
        "python",
        "-c",
        f"import subprocess; subprocess.run(['sh', {str(script)!r}], check=True)",
        cwd=there,
        env=settings,
    )
    assert (there / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert (there / "drawing.gif").read_bytes().startswith(b"GIF")
    user.run("python", "-c", f"{python}\nassert images.isfinite().all()", cwd=there, env=settings)
    # Once a copy ships, the Hub is not asked.
    assert (there / "hf").exists() is not shipped
    listed = json.loads(user.run("drawzoo", "list", "--json", cwd=there, env=settings))
    (row,) = (one for one in listed if one["name"] == name)
    assert row["source"] == ("shipped" if shipped else "cache")


def test_all_that_drawzoo_s_manifest_has_is_registered():
    with_pins = read_manifest(published.shelf("drawzoo").manifest)
    assert {name for name in published.manifest() if ":" not in name} >= with_pins.keys()
