"""benchmarks/train_seeds.py: seeds that are trained side by side are trained as one by one."""

from pathlib import Path

import msgspec
import pytest
import torch

import drawzoo
from drawzoo import RunConfig, Trainer, TrainingConfig
from drawzoo.engine.randomness import seeded
from drawzoo.registry.build import build, model_config
from drawzoo.training.checkpoint import read_checkpoint
from drawzoo.training.log import read_log
from drawzoo.training.run_options import read_options

SEEDS, BATCH, STEPS = (0, 3), 16, 4


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import train_seeds

    return train_seeds


def small(name):
    """A model of few steps and units, and images for it."""
    config = model_config(name)
    encoder = msgspec.structs.replace(config.encoder, config=config.encoder.config | {"units": 24})
    config = build(msgspec.structs.replace(config, steps=2, encoder=encoder)).config
    pixels = torch.randint(256, (64, *config.image), generator=seeded(0, "images"))
    labels = torch.arange(64) % 10
    return config, drawzoo.Images(pixels.byte(), labels, binarize=config.image[0] == 1)


def still(model):
    """Without dropout, whose random numbers are others."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


@pytest.mark.parametrize(
    "name",
    [
        "draw-mnist",
        "draw-noattention-mnist",
        "draw-transformer-mnist",
        "draw-svhn-10k",
        "model1-mnist",
        "model2-mnist",
    ],
)
def test_steps_are_the_trainers(script, name, tmp_path):
    """Weights after several steps on the same images and noise: weight decay, clipping, labels."""
    config, images = small(name)
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
    config, images = small("draw-mnist")
    images = images._replace(pixels=255 * (images.pixels > 127).byte(), binarize=False)
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
    config, images = small("draw-mnist")
    training = TrainingConfig(epochs=1, batch_size=BATCH, validation=0)
    stacked = script.Stacked(config, SEEDS, images, BATCH, torch.device("cpu"), compile=False)
    runs = script.Runs(stacked, training, images)
    runs.shuffle()
    for _ in range(runs.per_epoch):
        runs.step()
    assert runs.history.isfinite().all()
    places = script.folders(tmp_path, ",".join(map(str, SEEDS)), training)
    for folder in places.values():
        folder.mkdir()
    runs.write(list(places.values()), config, tmp_path, 1.0)
    for s, (seed, folder) in enumerate(places.items()):
        for name, weight in drawzoo.load(f"local-dir:{folder}").named_parameters():
            assert (weight == stacked.weights[name][s]).all()
        checkpoint = read_checkpoint(folder)
        assert checkpoint.step == runs.per_epoch and checkpoint.config.training.seed == seed
        assert read_log(folder)[-1]["step"] == runs.per_epoch
        assert Path(read_options(folder).data) == tmp_path


def test_settings_are_the_models_and_the_trainings(script):
    settings = ["steps=3", "encoder.activation=silu", "weight_decay=0.02"]
    config, training = script.recipe("model1-mnist", 4, settings)
    assert config.steps == 3 and config.encoder.config["activation"] == "silu"
    assert config.encoder.config["units"] == 256
    assert training == TrainingConfig(epochs=4, weight_decay=0.02, validation=0)


@pytest.mark.parametrize(
    "words, reason",
    [
        (("draw-mnits",), "draw-mnist"),
        (("draw-mnist", "--epochs", "0"), "epochs"),
        (("draw-mnist", "--seeds", "a,b"), "a,b"),
        (("draw-mnist", "--seeds", "0,0"), "twice"),
        (("draw-mnist", "--seeds=-1"), "seed"),
        (("draw-mnist", "--set", "weight_decay=NaN"), "weight_decay"),
        (("draw-mnist", "--set", "encoder.units=many"), "units"),
        (("draw-mnist", "--set", "stepps=3"), "'stepps'"),
        (("draw-mnist", "--set", "steps"), "KEY=VALUE"),
        (("draw-mnist", "--set", "validation=100"), "--set validation is not possible here"),
        (("draw-mnist", "--set", "seed=7"), "--set seed is not possible here"),
        (("draw-mnist", "--out", "."), "already"),
    ],
)
def test_bad_input_is_refused_before_any_work(script, monkeypatch, capsys, tmp_path, words, reason):
    out = [] if "--out" in words else ["--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["train_seeds.py", *words, *out])
    with pytest.raises(SystemExit) as end:
        script.main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert end.value.code == 2 and reason in last
    assert not (tmp_path / "out").exists()


def test_images_that_do_not_fit_are_refused(script):
    config, images = small("draw-mnist")
    images = images._replace(pixels=images.pixels[:, :, :20, :20])
    with pytest.raises(drawzoo.ConfigError, match="takes images of"):
        script.Stacked(config, SEEDS, images, BATCH, torch.device("cpu"))


def test_an_encoder_that_cannot_be_stacked_is_refused(script):
    config = build(model_config("plain-cluttered-mnist")).config
    pixels = torch.zeros(BATCH, *config.image, dtype=torch.uint8)
    images = drawzoo.Images(pixels, torch.zeros(BATCH, dtype=torch.int64), binarize=False)
    with pytest.raises(drawzoo.ConfigError, match="more than one tensor"):
        script.Stacked(config, SEEDS, images, BATCH, torch.device("cpu"))


def test_what_diverges_is_not_written(script, tmp_path):
    config, images = small("draw-mnist")
    training = TrainingConfig(epochs=1, batch_size=BATCH, validation=0)
    stacked = script.Stacked(config, SEEDS, images, BATCH, torch.device("cpu"), compile=False)
    runs = script.Runs(stacked, training, images)

    def step():
        runs.history[runs.done] = float("nan")
        runs.done.add_(1)

    with pytest.raises(drawzoo.TrainingError, match="not finite"):
        runs.epoch(step)
