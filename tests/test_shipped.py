"""The models that ship: files, cards and figures belong together."""

import os
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

import drawzoo
from drawzoo.hub import shipped
from drawzoo.manifest import FILES, manifest, pin, verify
from drawzoo.weights import read_config, read_model
from drawzoo.zoo import build, model_config

ROOT = Path(__file__).parent.parent
REAL = os.environ.get("DRAWZOO_TEST_DATA")
NAMES = sorted(manifest())


def test_the_first_models_ship():
    assert {"draw-mnist", "model3-mnist"} <= set(NAMES)


def test_all_together_are_small():
    assert sum(f.stat().st_size for f in (ROOT / "model_cards").rglob("*")) < 40e6


@pytest.mark.parametrize("name", NAMES)
class TestModel:
    def test_files_are_those_pinned(self, name):
        verify(shipped(name), manifest()[name])
        assert {file.name for file in shipped(name).iterdir()} == set(FILES)

    def test_configuration_is_the_registered_one(self, name):
        assert read_config(shipped(name)) == build(model_config(name)).config

    def test_parameters_are_counted(self, name):
        model = read_model(shipped(name))
        assert sum(p.numel() for p in model.parameters()) == manifest()[name].parameters

    def test_card_gives_the_manifest_figures_and_hashes(self, name):
        card = ModelCard.load(shipped(name) / "README.md")
        published = manifest()[name]
        results = card.data.eval_results
        assert [r.metric_value for r in results] == [f.nats_mean for f in published.figures]
        for figure in published.figures:
            assert f"{figure.nats_mean:.2f} ± {figure.nats_stderr:.2f}" in card.text
        for file in ("config.json", "model.safetensors"):
            assert pin(shipped(name) / file).sha256 in card.text

    def test_readme_gives_the_manifest_figures(self, name):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}` "))
        for figure in manifest()[name].figures:
            assert f"{figure.nats_mean:.2f} ± {figure.nats_stderr:.2f}" in row

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

    @pytest.mark.slow
    @pytest.mark.skipif(REAL is None, reason="needs DRAWZOO_TEST_DATA, a folder with MNIST/raw")
    def test_figures_are_reproduced(self, name):
        from drawzoo.data.images import load_dataset
        from drawzoo.evaluation import evaluate_bound

        for figure in manifest()[name].figures:
            images = load_dataset(figure.dataset, figure.split, Path(REAL), download=False)
            again = evaluate_bound(
                read_model(shipped(name)),
                images,
                dataset=figure.dataset,
                split=figure.split,
                seed=figure.seed,
            )
            assert again.nats_mean == pytest.approx(figure.nats_mean, abs=0.01)
            assert again.kl == pytest.approx(figure.kl, abs=0.01)
