"""Validation: images that are never trained on, the best weights by them, and early stop."""

import json
import math
from pathlib import Path

import pytest
import torch
from runs import state
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import drawzoo
from drawzoo.cards.text import model_card
from drawzoo.data.images import Images, load_dataset
from drawzoo.errors import ConfigError, DistributedError, TrainingError
from drawzoo.evaluation.bound import bound_parts
from drawzoo.evaluation.measure import evaluate
from drawzoo.schema.base import convert, encode, override
from drawzoo.schema.record import training_record
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store.weights import WEIGHTS
from drawzoo.training import loop
from drawzoo.training.checkpoint import CHECKPOINT, read_checkpoint
from drawzoo.training.log import read_log
from drawzoo.training.loop import Trainer
from drawzoo.training.validation import ValidBound, load_images

PASS = 3
"""Steps of a pass: 48 images in batches of 16."""
PASSES = 4


@pytest.fixture(scope="module")
def images():
    """Images to train on, and others to validate on."""
    return load_dataset("synthetic", "train", Path()).subset(60).hold_out(12)


@pytest.fixture
def trainer(tiny, images, tmp_path, monkeypatch):
    """Makes the trainer of a short run, which goes on from the folder's checkpoint."""
    # Half of a short run, and what the kit's own tests do.
    monkeypatch.setattr(loop, "check_components", lambda model: None)

    def make(folder="run", validation=images[1], bfloat16=False, **training):
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        model = tiny(image=(1, 28, 28), dataset="synthetic", decoder=8)
        training = TrainingConfig(**{"epochs": PASSES, "batch_size": 16} | training)
        checkpoint = read_checkpoint(path)
        return Trainer(
            RunConfig(model, training),
            images[0],
            path,
            checkpoint,
            validation=validation,
            bfloat16=bfloat16,
        )

    return make


@pytest.fixture
def bounds(monkeypatch):
    """Replaces the bounds that validation measures by given ones."""

    def replace(*nats):
        given = iter(nats)
        monkeypatch.setattr(loop, "valid_bound", lambda *_: ValidBound(next(given), 0.0))

    return replace


def run_config(dataset, **training):
    config = override(drawzoo.registry.build.model_config("draw-mnist"), {"dataset": dataset})
    return RunConfig(config, TrainingConfig(**training))


def valid_nats(folder):
    """Step → bound on validation, of a run's log."""
    return {r["step"]: r["valid_nats"] for r in read_log(folder) if "valid_nats" in r}


def rows(images):
    """The images as a set, each with its label."""
    return {
        (x.numpy().tobytes(), int(y)) for x, y in zip(images.pixels, images.labels, strict=True)
    }


class TestImages:
    def test_held_out_are_never_trained_on(self, data):
        whole = load_dataset("mnist", "train", data)
        train, valid = load_images(run_config("mnist"), data)
        assert len(train.pixels) == 36 and len(valid.pixels) == 4
        assert rows(train) | rows(valid) == rows(whole)
        assert not rows(train) & rows(valid)
        _, other = load_images(run_config("mnist", seed=1), data)
        assert torch.equal(other.pixels, valid.pixels)

    def test_own_split_is_used(self, tmp_path):
        train, valid = load_images(run_config("synthetic"), tmp_path)
        assert rows(train) == rows(load_dataset("synthetic", "train", tmp_path))
        own = rows(load_dataset("synthetic", "valid", tmp_path))
        assert rows(valid) == own
        _, some = load_images(run_config("synthetic", validation=50), tmp_path)
        assert len(some.pixels) == 50 and rows(some) < own

    def test_number_and_none(self, data):
        train, valid = load_images(run_config("mnist", validation=3), data)
        assert (len(train.pixels), len(valid.pixels)) == (37, 3)
        train, valid = load_images(run_config("mnist", validation=0), data)
        assert len(train.pixels) == 40 and valid is None

    def test_steps_see_only_the_images_to_train_on(self, trainer, images, monkeypatch):
        seen = set()
        run = trainer()
        forward = run.model.forward

        def watched(x, *args):
            if run.model.training:
                seen.update(row.numpy().tobytes() for row in x)
            return forward(x, *args)

        run.images = images[0]._replace(binarize=False)
        monkeypatch.setattr(run.model, "forward", watched)
        run.run()
        assert seen == {(x.float() / 255).numpy().tobytes() for x in images[0].pixels}


class TestRun:
    @pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.5}])
    def test_training_is_the_same_without(self, trainer, tmp_path, settings):
        trainer("with", **settings).run()
        trainer("without", validation=None, **settings).run()
        one, two = (read_checkpoint(tmp_path / name) for name in ("with", "without"))
        for name, tensor in one.model.items():
            assert torch.equal(tensor, two.model[name])
        assert valid_nats(tmp_path / "with") and not valid_nats(tmp_path / "without")
        assert two.best is None

    @pytest.mark.parametrize(
        "settings, stops",
        [
            ({}, [3]),
            ({"max_steps": 10}, [1, 5, 6, 8]),
            pytest.param({}, [1, 5, 6, 8], marks=pytest.mark.slow),
            pytest.param({"ema_decay": 0.5}, [1, 5, 6, 8], marks=pytest.mark.slow),
        ],
    )
    def test_resumed_as_if_nothing_had_happened(self, trainer, tmp_path, settings, stops):
        trainer("whole", **settings).run()
        for step in stops:
            run = trainer("parts", **settings)
            assert not run.run(stop=lambda run=run, step=step: run.step >= step)
        assert trainer("parts", **settings).run()
        assert state(tmp_path / "parts") == state(tmp_path / "whole")
        whole, parts = (read_checkpoint(tmp_path / name) for name in ("whole", "parts"))
        assert parts.best[:2] == whole.best[:2]
        assert valid_nats(tmp_path / "parts") == valid_nats(tmp_path / "whole")

    def test_after_each_pass_and_at_the_end(self, trainer, tmp_path):
        trainer(max_steps=2 * PASS + 1).run()
        assert list(valid_nats(tmp_path / "run")) == [PASS, 2 * PASS, 2 * PASS + 1]

    @pytest.mark.parametrize("ema_decay", [0, 0.5])
    def test_it_is_the_bound_of_the_weights_that_are_used(
        self, trainer, images, tmp_path, ema_decay
    ):
        trainer(ema_decay=ema_decay, epochs=1).run()
        model = drawzoo.load(f"local-dir:{tmp_path / 'run'}")
        nats = bound_parts(model, images[1], seed=0)[0].mean().item()
        assert valid_nats(tmp_path / "run") == {PASS: pytest.approx(nats, abs=1e-3)}

    def test_it_is_float32_whatever_is_trained_with(self, trainer, images, tmp_path):
        torch.set_float32_matmul_precision("medium")
        try:
            assert trainer(epochs=1, bfloat16=True).run()
            assert torch.get_float32_matmul_precision() == "medium"
        finally:
            torch.set_float32_matmul_precision("highest")
        model = drawzoo.load(f"local-dir:{tmp_path / 'run'}")
        nats = bound_parts(model, images[1], seed=0)[0].mean().item()
        assert valid_nats(tmp_path / "run") == {PASS: pytest.approx(nats, abs=1e-4)}

    def test_training_in_bfloat16_is_near_and_resumes(self, trainer, tmp_path):
        trainer("float32").run()
        trainer("whole", bfloat16=True).run()
        run = trainer("parts", bfloat16=True)
        assert not run.run(stop=lambda: run.step == 4)
        assert trainer("parts", bfloat16=True).run()
        assert state(tmp_path / "parts") == state(tmp_path / "whole")
        one, two = (valid_nats(tmp_path / name) for name in ("float32", "whole"))
        assert state(tmp_path / "float32") != state(tmp_path / "whole")
        for step, nats in one.items():
            assert two[step] == pytest.approx(nats, abs=0.5)

    def test_best_weights_are_kept(self, trainer, bounds, tmp_path):
        bounds(3.0, 1.0, 2.0, 1.0)
        trainer().run()
        trainer("two", validation=None).run(stop=iter([False] * 5 + [True]).__next__)
        best, then = tmp_path / "run", tmp_path / "two"
        assert (best / WEIGHTS).read_bytes() == (then / WEIGHTS).read_bytes()
        assert read_checkpoint(best).best[:2] == (2 * PASS, 1.0)
        # The finished run keeps them, whatever became of the file.
        (best / WEIGHTS).unlink()
        trainer().run()
        assert (best / WEIGHTS).read_bytes() == (then / WEIGHTS).read_bytes()

    def test_patience(self, trainer, bounds, tmp_path):
        bounds(3.0, 2.0, 2.5, 2.0, 1.0)
        run = trainer(patience=2, epochs=9)
        assert run.run() and run.step == 4 * PASS
        before = state(tmp_path / "run")
        again = trainer(patience=2, epochs=9)
        assert again.finished and again.run()
        assert state(tmp_path / "run") == before

    def test_patience_needs_validation(self):
        with pytest.raises(ConfigError, match="patience needs validation"):
            convert({"patience": 2, "validation": 0}, TrainingConfig)

    @pytest.mark.parametrize("value", [-1, 1.5, 10**10, "all"])
    def test_bounds(self, value):
        with pytest.raises(ConfigError, match="validation"):
            convert({"validation": value}, TrainingConfig)

    def test_model_without_a_bound_is_not_validated(self, trainer, tmp_path, monkeypatch):
        monkeypatch.setattr(type(trainer("other").model.likelihood), "is_bound", False)
        assert trainer().run()
        assert not valid_nats(tmp_path / "run")

    def test_not_finite(self, trainer, tmp_path, monkeypatch):
        run = trainer()

        def poisoned(x, generator):
            run.model.check_finite(torch.tensor(math.nan))

        assert not run.run(stop=lambda: run.step == 2)
        monkeypatch.setattr(run.model, "bound", poisoned)
        with pytest.raises(TrainingError, match="on validation is not finite.*learning_rate"):
            run.run()
        assert read_checkpoint(tmp_path / "run").step == 2

    def test_another_process_dies_while_it_validates(self, trainer, tmp_path, monkeypatch):
        trainer("whole").run()

        def dies(*_):
            raise DistributedError("died")

        with monkeypatch.context() as patch, pytest.raises(DistributedError, match="--resume"):
            patch.setattr(loop, "valid_bound", dies)
            trainer().run(checkpoint_steps=2)
        assert read_checkpoint(tmp_path / "run").step == 2
        trainer().run()
        assert state(tmp_path / "run") == state(tmp_path / "whole")
        assert valid_nats(tmp_path / "run") == valid_nats(tmp_path / "whole")


class TestFiles:
    @pytest.mark.parametrize(
        "metadata", [{"best_step": "99"}, {"best_step": "0"}, {"best_nats": "nan"}]
    )
    def test_damaged_best(self, trainer, tmp_path, metadata):
        trainer().run()
        rewrite(tmp_path / "run" / CHECKPOINT, metadata=metadata)
        with pytest.raises(TrainingError, match="damaged"):
            trainer()

    def test_best_that_does_not_fit(self, trainer, tmp_path):
        trainer().run()
        tensors = {"best/latent.layer.bias": torch.zeros(3)}
        rewrite(tmp_path / "run" / CHECKPOINT, tensors=tensors)
        with pytest.raises(TrainingError, match="does not fit"):
            trainer()

    def test_run_from_before_validation_goes_on_without(self, trainer, tmp_path):
        run = trainer(validation=None)
        run.run(stop=lambda: run.step == 2)
        data = json.loads(encode(run.config))
        del data["training"]["validation"], data["training"]["patience"]
        rewrite(tmp_path / "run" / CHECKPOINT, metadata={"config": json.dumps(data)})
        assert read_checkpoint(tmp_path / "run").config.training.validation == 0

    def test_record_and_card_say_which_weights_are_used(self, trainer, bounds, tmp_path):
        bounds(92.0, 91.25, 93.0, 94.0)
        run = trainer()
        run.run(checkpoint_steps=1)
        log = read_log(tmp_path / "run")
        record = training_record(run.config, log, 48, 12, run.best[:2])
        assert (record.kept.step, record.kept.epoch, record.kept.valid_nats) == (6, 2.0, 91.25)
        assert [p.valid_nats for p in record.log if p.valid_nats] == [92.0, 91.25, 93.0, 94.0]
        figure = evaluate(run.model, "bound", run.validation, dataset="synthetic", split="valid")
        facts = {"summary": "small", "parameters": 1, "figures": [figure], "files": {}}
        text = model_card(run.config.model, record, **facts)
        assert "epoch 2," in text and "12 other images" in text and "91.25 nats" in text
        assert "| 3 | " in text and "| 93.00 |" in text
        without = training_record(run.config, log, 48)
        assert without.kept is None
        assert "12 other" not in model_card(run.config.model, without, **facts)

    def test_record_of_a_long_run_has_its_validations(self, tiny):
        config = RunConfig(tiny(), TrainingConfig(batch_size=1))
        log = [
            {"step": i, "epoch": i / 10, "nats": 1.0, "kl": 0.5, "images_per_s": 10}
            | ({"valid_nats": float(i)} if i % 10 == 0 else {})
            for i in range(1, 501)
        ]
        points = training_record(config, log, 10).log
        assert [p.valid_nats for p in points if p.valid_nats] == list(range(10, 501, 10))
        steps = [point.step for point in points]
        assert steps == sorted(set(steps)) and len(steps) <= 200


def rewrite(path, metadata=None, tensors=None):
    """Changes metadata or tensors of a checkpoint."""
    with safe_open(path, framework="pt") as file:
        before = file.metadata()
    save_file(load_file(path) | (tensors or {}), path, before | (metadata or {}))


def test_parts_make_batches_as_the_whole_does():
    """A plugin's data set may change images in `batch`."""

    class Inverted(Images):
        def batch(self, index, generator=None):
            return 1 - super().batch(index, generator)

    whole = Inverted(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), None, binarize=False)
    for part in (*whole.hold_out(2), whole.subset(3)):
        assert (part.batch(torch.arange(2)) == 1).all()
