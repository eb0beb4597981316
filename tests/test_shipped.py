"""The models that ship: files, cards and figures belong together."""

import io
import os
import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from selection import quick

import drawzoo
from drawzoo.cards.illustrations import SCALE
from drawzoo.cards.tables import eval_results, figures_text
from drawzoo.cards.text import addressed, keep_notes, model_card
from drawzoo.cli import cli
from drawzoo.evaluation.measure import applicable, measure_again
from drawzoo.evaluation.protocol import read_figures
from drawzoo.registry.build import build, model_config
from drawzoo.registry.loader import registry
from drawzoo.render.grid import grid, png
from drawzoo.schema.figures import disagreement, find
from drawzoo.schema.manifest import CARD, FILES, PICTURES, SAMPLES, TRAINING, pin, verify
from drawzoo.schema.record import read_record
from drawzoo.store.published import manifest
from drawzoo.store.sources import shipped
from drawzoo.store.weights import read_config, read_model

ROOT = Path(__file__).parent.parent
REAL = os.environ.get("DRAWZOO_TEST_DATA")
NAMES = sorted(manifest())
QUICK = "draw-binarized-mnist", "draw-gru-mnist", "draw-mnist", "draw-stn-mnist", "model2-mnist"
DIGITS = [name for name in NAMES if model_config(name).dataset in ("mnist", "binarized-mnist")]
PARTLY = {
    *("convdraw-mnist", "convdraw-binarized-mnist", "convdraw-svhn-10k", "convdraw2-svhn-10k"),
    *("draw-svhn-10k", "model1-svhn-10k", "model2-svhn-10k", "model3-svhn-10k"),
    *("draw-multi-mnist", "classifier-cluttered-mnist", "plain-cluttered-mnist"),
}
"""Models of which not every protocol was measured, as some would take hours."""


def blocks(name, language):
    """The code of a language on a model's card."""
    card = (shipped(name) / CARD).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)


def test_the_first_models_ship():
    assert {"draw-mnist", "model3-mnist"} <= set(NAMES)


def test_all_together_are_small():
    assert sum(f.stat().st_size for f in (ROOT / "model_cards").rglob("*")) < 90e6


@pytest.mark.parametrize("name", NAMES)
class TestModel:
    def test_files_are_those_pinned(self, name):
        verify(shipped(name), manifest()[name])
        assert {file.name for file in shipped(name).iterdir()} == set(FILES)
        assert list(manifest()[name].files) == list(FILES)

    def test_pictures_are_small(self, name):
        # Colours and clothes are no strokes on black, and a larger canvas has more of them.
        most = 200_000 if name in DIGITS else 700_000
        assert sum((shipped(name) / file).stat().st_size for file in PICTURES) < most
        assert (shipped(name) / TRAINING).stat().st_size < 20_000
        for file in PICTURES:
            with Image.open(shipped(name) / file) as picture:
                picture.load()
        card = (shipped(name) / "README.md").read_text(encoding="utf-8")
        assert all(f"]({file})" in card for file in PICTURES)

    def test_card_of_another_distribution_s_model(self, name):
        """It says what to install, where the model is, and no licence that nobody chose."""
        folder, entry = shipped(name), manifest()[name]
        text = model_card(
            read_config(folder),
            read_record(folder),
            summary="theirs",
            parameters=1,
            figures=read_figures(entry.figures),
            files={},
            packages=["zoo-extra==1.2"],
            licence=None,
        )
        assert "pip install drawzoo zoo-extra==1.2\n" in text and "license:" not in text
        assert "drawzoo verify " not in text
        text = addressed(text, "ann/x")
        for command in ("drawzoo sample", "drawzoo evaluate"):
            assert f"{command} hf-hub:ann/x " in text and f"{command} {name}" not in text
        assert 'drawzoo.load("hf-hub:ann/x")' in text

    def test_card_is_that_of_its_folder(self, name):
        """The record, the configuration and the figures give the card, and nothing else does."""
        folder, entry = shipped(name), manifest()[name]
        text = model_card(
            read_config(folder),
            read_record(folder),
            summary=registry().find("model", name).summary,
            parameters=entry.parameters,
            figures=read_figures(entry.figures),
            name=name,
            files={file: pin for file, pin in entry.files.items() if file != CARD},
        )
        card = (folder / CARD).read_bytes().decode()
        assert keep_notes(text, card) == card

    def test_commands_of_the_card_are_commands(self, name):
        """Each is one of ours, with arguments that it takes; what it does is tested elsewhere."""
        lines = [shlex.split(line) for block in blocks(name, "sh") for line in block.splitlines()]
        assert ["pip", "install", "drawzoo"] in lines
        ours = [line[1:] for line in lines if line[0] == "drawzoo"]
        assert len(ours) == len(lines) - 1
        assert {"sample", "evaluate", "train"} == {line[0] for line in ours}
        for command, *args in ours:
            found = cli.get_command(click.Context(cli), command)
            assert found.make_context(command, list(args)).params

    def test_configuration_is_the_registered_one(self, name):
        """A setting that is newer than the file has its default in both."""
        assert build(read_config(shipped(name))).config == build(model_config(name)).config

    def test_parameters_are_counted(self, name):
        model = read_model(shipped(name))
        assert sum(p.numel() for p in model.parameters()) == manifest()[name].parameters

    def test_card_gives_the_manifest_figures_and_hashes(self, name):
        card = ModelCard.load(shipped(name) / "README.md")
        figures = read_figures(manifest()[name].figures)
        found = [(r.metric_type, r.metric_value) for r in card.data.eval_results]
        assert found == [(r.metric_type, r.metric_value) for r in eval_results(figures)]
        assert figures_text(figures) in card.text
        for file in ("config.json", "model.safetensors"):
            assert pin(shipped(name) / file).sha256 in card.text

    def test_every_protocol_was_measured(self, name):
        figures, model = read_figures(manifest()[name].figures), read_model(shipped(name))
        measured = {figure.protocol for figure in figures}
        if name in PARTLY:
            assert measured < set(applicable(model))
        else:
            assert measured == set(applicable(model))
        assert ("bound" in measured) == model.likelihood.is_bound
        assert ("accuracy" in measured) == model.encoder.classifies
        assert {figure.model for figure in figures} == {name}

    def test_pages_give_the_manifest_figures(self, name):
        figures = read_figures(manifest()[name].figures)
        bound = find(figures, "bound", model_config(name).dataset)
        told = ""
        if bound is not None:
            told = f"{bound.nats_mean:.2f} ± {bound.nats_stderr:.2f}"
        names = (
            "models.md",
            "presentation.md",
            "variants.md",
            "colour.md",
            "convdraw.md",
            "training.md",
        )
        rows = [
            (page, line)
            for page in names
            for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
            if line.startswith(f"| `{name}` ")
        ]
        assert len({page for page, _ in rows}) >= 2 or name == "draw-multi-mnist"
        for page, row in rows:
            bits = page == "colour.md" and bound is not None and bound.bits_per_dimension
            assert (f"{bits:.3f} ± " if bits else told) in row

    def test_drawings_are_those_of_its_picture(self, name):
        """64 of seed 0, as the grid of the card has them: no change of code may change them."""
        images = drawzoo.load(name).sample(64, generator=torch.Generator().manual_seed(0))
        now, shown = (
            torch.from_numpy(np.array(Image.open(file).convert("L"))).float()
            for file in (io.BytesIO(png(grid(images, SCALE))), shipped(name) / SAMPLES)
        )
        assert now.shape == shown.shape
        # Another processor's products round otherwise, and drawing goes on from it.
        assert (now - shown).abs().max() <= 3

    @pytest.mark.slow
    @pytest.mark.skipif(REAL is None, reason="needs DRAWZOO_TEST_DATA, a folder with MNIST/raw")
    def test_figures_are_reproduced(self, name):
        model = read_model(shipped(name))
        for figure in read_figures(manifest()[name].figures):
            assert disagreement(figure, measure_again(model, figure, Path(REAL))) is None


@pytest.mark.parametrize("name", quick(NAMES, *QUICK, "convdraw2-svhn-10k"))
def test_python_of_the_card_runs(name):
    (snippet,) = blocks(name, "python")
    found = {}
    exec(compile(snippet, CARD, "exec"), found)
    assert found["images"].shape == (64, *found["model"].config.image)
    assert found["images"].min() >= 0 and found["images"].max() <= 1


@pytest.mark.parametrize("name", quick(DIGITS, *QUICK))
class TestDigits:
    def test_figures_without_data_are_reproduced(self, name):
        """Those that need no download: a weight or a figure that changed makes this fail."""
        figures = [
            f for f in read_figures(manifest()[name].figures) if f.dataset.endswith("-sample")
        ]
        assert figures
        model = read_model(shipped(name))
        for figure in figures:
            assert disagreement(figure, measure_again(model, figure, Path())) is None

    def test_samples_are_strokes_on_black(self, name):
        """Digits cover a fifth of the canvas, and most pixels are black or white."""
        images = drawzoo.load(name).sample(100, generator=torch.Generator().manual_seed(0))
        assert 0.08 < images.mean() < 0.2
        assert ((images < 0.1) | (images > 0.9)).float().mean() > 0.8
        assert images[:, :, :2].mean() < 0.02

    def test_the_later_the_clearer(self, name):
        model = drawzoo.load(name)
        drawing = model.draw(50, generator=torch.Generator().manual_seed(0))
        start = model.likelihood.mean(model.initial_canvas.detach())
        course = [start, *drawing.images]
        unsure = [float((image * (1 - image)).mean()) for image in course]
        assert unsure[-1] < unsure[len(unsure) // 2 - 1] <= unsure[0]


def test_the_presentation_s_page_has_the_tables_that_the_command_prints(run):
    code, lines, _ = run("reproduce", "tables", "--markdown")
    begin, end = "<!-- tables: drawzoo reproduce tables --markdown -->\n", "<!-- /tables -->\n"
    page = (ROOT / "docs" / "presentation.md").read_bytes().decode()
    assert code == 0 and page.count(begin) == page.count(end) == 1
    block = page.partition(begin)[2].partition(end)[0]
    assert block == "\n".join(lines) + "\n"


def test_no_column_of_the_presentation_s_tables_is_empty(run):
    _, lines, _ = run("reproduce", "tables", "--markdown")
    for table in "\n".join(lines).split("**Table ")[1:]:
        rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("|")]
        body = [row for row in rows[1:] if set("".join(row)) - set("-: ")]
        assert len(body) in (7, 4)
        assert all("".join(column).strip() for column in zip(*body, strict=True))


def test_the_first_of_the_recorded_seeds_is_the_run_that_ships():
    from drawzoo_presentation.seeds import recorded
    from drawzoo_presentation.tables import TABLES

    assert set(recorded().models) == {row.model for table in TABLES for row in table.rows}
    for name, runs in recorded().models.items():
        published = find(read_figures(manifest()[name].figures), recorded().protocol, "mnist")
        assert published.images == recorded().images
        # Of one device and of another, float32 differs by less.
        assert runs.nats[0] == pytest.approx(published.nats_mean, abs=0.01)
        record = read_record(ROOT / "model_cards" / name)
        assert record.training.seed == 0
        seeds = ",".join(map(str, range(len(runs.nats))))
        assert {name, "--seeds", seeds, "--epochs", str(record.training.epochs)} <= set(
            runs.command.split()
        )


def test_the_readme_s_bounds_are_the_manifest_s():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    bounds = {
        name: find(read_figures(entry.figures), "bound", model_config(name).dataset)
        for name, entry in manifest().items()
        if name in DIGITS
    }

    def best(dataset):
        return min((b for b in bounds.values() if b.dataset == dataset), key=lambda b: b.nats_mean)

    shown = [bounds["draw-mnist"], best("mnist"), best("binarized-mnist")]
    told = [f"{bound.nats_mean:.2f} ± {bound.nats_stderr:.2f}" for bound in shown]
    assert re.findall(r"\d+\.\d\d ± \d\.\d\d", text) == told
