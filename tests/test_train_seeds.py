"""benchmarks/train_seeds.py: seeds that are trained side by side are trained as one by one."""

from pathlib import Path

import msgspec
import pytest
import torch

import drawzoo
from drawzoo import RunConfig, Trainer, TrainingConfig
from drawzoo.data.images import load_dataset
from drawzoo.engine.randomness import seeded
from drawzoo.registry.build import build, model_config
from drawzoo.training.checkpoint import read_checkpoint
from drawzoo.training.log import read_log

SEEDS, BATCH, STEPS = (0, 3), 16, 4


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import train_seeds

    return train_seeds


def small(name):
    """A model of few steps and units."""
    config = model_config(name)
    encoder = msgspec.structs.replace(config.encoder, config=config.encoder.config | {"units": 24})
    config = msgspec.structs.replace(config, steps=2, dataset="mnist-sample", encoder=encoder)
    return build(config).config


def still(model):
    """Without dropout, whose random numbers are others."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


@pytest.mark.parametrize(
    "name", ["draw-mnist", "draw-noattention-mnist", "model1-mnist", "model2-mnist"]
)
def test_steps_are_the_trainers(script, name, tmp_path):
    """Weights after several steps on the same images and noise: weight decay, clipping, labels."""
    config, images = small(name), load_dataset("mnist-sample", "test", tmp_path)
    training = TrainingConfig(
        epochs=1, batch_size=BATCH, validation=0, weight_decay=0.02, clip_norm=0.5
    )
    stacked = script.Stacked(config, SEEDS, images, BATCH, torch.device("cpu"), compile=False)
    still(stacked.model)
    runs = script.Runs(stacked, training, images)
    trainers = []
    for seed in SEEDS:
        run = RunConfig(config, msgspec.structs.replace(training, seed=seed))
        trainers.append(Trainer(run, images, tmp_path))
        still(trainers[-1].model)
    begun = {name: weight.detach().clone() for name, weight in stacked.weights.items()}
    for step in range(STEPS):
        x, noise, labels = [], [], []
        for seed in SEEDS:
            order = torch.randperm(len(images.pixels), generator=seeded(seed, "order", 0))
            index, own = order[step * BATCH : (step + 1) * BATCH], seeded(seed, "step", step)
            x.append(images.batch(index, own))
            noise.append(stacked.model.noise(BATCH, config.steps, own))
            labels.append(images.labels[index])
        needed = torch.stack(labels) if stacked.model.encoder.needs_labels else None
        runs.advance(torch.stack(x), torch.stack(noise, dim=1), needed)
        expected = torch.stack([trainer.train_step() for trainer in trainers])
        torch.testing.assert_close(runs.history[step], expected, rtol=1e-4, atol=1e-4)
    for s, trainer in enumerate(trainers):
        for name, weight in trainer.model.named_parameters():
            torch.testing.assert_close(
                stacked.weights[name][s], weight, rtol=0, atol=2e-4, msg=name
            )
    moved = [(stacked.weights[name] - before).abs().max() for name, before in begun.items()]
    assert max(moved) > 0.01


def test_an_epoch_is_every_image_once(script, tmp_path):
    config, images = small("draw-mnist"), load_dataset("mnist-sample", "test", tmp_path)
    images = images._replace(binarize=False)
    training = TrainingConfig(epochs=2, batch_size=BATCH, validation=0)
    stacked = script.Stacked(config, SEEDS, images, BATCH, torch.device("cpu"), compile=False)
    runs = script.Runs(stacked, training, images)
    runs.advance = lambda x, noise, labels: (seen.append(x), runs.done.add_(1))
    expected = images.pixels.flatten(1).float().div(255)
    orders = []
    for _ in range(training.epochs):
        seen = []
        runs.shuffle()
        for _ in range(runs.per_epoch):
            runs.step()
        for s in range(len(SEEDS)):
            orders.append(torch.cat([x[s] for x in seen]).flatten(1))
            assert sorted(orders[-1].tolist()) == sorted(expected.tolist())
    assert len({tuple(order.flatten().tolist()) for order in orders}) == len(orders)


def test_the_folders_are_finished_runs(script, tmp_path):
    """Of steps on the device's own numbers."""
    config, images = small("draw-mnist"), load_dataset("mnist-sample", "test", tmp_path)
    training = TrainingConfig(epochs=1, batch_size=BATCH, validation=0)
    stacked = script.Stacked(config, SEEDS, images, BATCH, torch.device("cpu"), compile=False)
    runs = script.Runs(stacked, training, images)
    runs.shuffle()
    for _ in range(runs.per_epoch):
        runs.step()
    assert runs.history.isfinite().all()
    runs.write(tmp_path / "out", config, training, 1.0)
    for s, seed in enumerate(SEEDS):
        folder = tmp_path / "out" / f"seed-{seed}"
        for name, weight in drawzoo.load(f"local-dir:{folder}").named_parameters():
            assert (weight == stacked.weights[name][s]).all()
        checkpoint = read_checkpoint(folder)
        assert checkpoint.step == runs.per_epoch and checkpoint.config.training.seed == seed
        assert read_log(folder)[-1]["step"] == runs.per_epoch
