"""Training: the same weights whatever happens on the way, and nothing lost."""

import errno
import itertools
import json
import os
from pathlib import Path

import pytest
import torch
from drawzoo_draw.encoder import LSTMEncoder
from runs import state, steps_of
from safetensors.torch import load, load_file, save

import drawzoo
from drawzoo.data.images import Images, load_dataset
from drawzoo.errors import ConfigError, DataError, OutputError, TrainingError
from drawzoo.registry.build import model_config
from drawzoo.schema.base import convert
from drawzoo.schema.record import training_record
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store.weights import WEIGHTS
from drawzoo.training import loop
from drawzoo.training.checkpoint import CHECKPOINT, read_checkpoint
from drawzoo.training.checks import check_components
from drawzoo.training.log import LOG, read_log
from drawzoo.training.loop import Trainer, schedule

TOTAL = 14
"""Steps of a short run: three passes of four steps and a half."""

SETTINGS = [
    {},
    {"optimizer": "adam", "ema_decay": 0.9},
    {"optimizer": "adamw", "weight_decay": 0.1, "ema_decay": 0.5},
    {"optimizer": "muon", "weight_decay": 0.1, "ema_decay": 0.5},
]


@pytest.fixture(scope="module")
def synthetic():
    return load_dataset("synthetic", "train", Path())


@pytest.fixture
def images(synthetic):
    """Of 66 images, two are left out in each pass of four batches."""
    return synthetic._replace(pixels=synthetic.pixels[:66], labels=synthetic.labels[:66])


@pytest.fixture
def unchecked(monkeypatch):
    """Components are not checked, which is half of a short run; the kit's own tests do it."""
    monkeypatch.setattr(loop, "check_components", lambda model: None)


@pytest.fixture
def trainer(tiny, images, tmp_path, unchecked):
    """Makes the trainer of a short run, which goes on from the folder's checkpoint."""

    def make(folder="run", images=images, parts=None, **training):
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        model = tiny(image=(1, 28, 28), dataset="synthetic", decoder=8, **(parts or {}))
        training = {"max_steps": TOTAL, "batch_size": 16} | training
        config = RunConfig(model, TrainingConfig(**training))
        return Trainer(config, images, path, read_checkpoint(path))

    return make


def stop_at(trainer, step, **options):
    """Trains until after a step, as Ctrl-C would stop it."""
    assert not trainer.run(stop=lambda: trainer.step >= step, **options)
    assert trainer.step == step


def finite(folder):
    return all(
        tensor.isfinite().all()
        for file in (WEIGHTS, CHECKPOINT)
        for tensor in load_file(folder / file).values()
    )


def with_step(raw, step):
    """A checkpoint that says that it is of another step."""
    tensors = load(raw)
    metadata = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    return save(tensors, metadata | {"step": step})


def with_tensor(raw, name, tensor):
    """A checkpoint with a tensor replaced or added."""
    metadata = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    return save(load(raw) | {name: tensor}, metadata)


class TestSchedule:
    config = TrainingConfig(final_learning_rate=0.1, warmup_steps=20)

    def test_rises_in_a_line_then_falls_in_a_cosine(self):
        rates = [schedule(self.config, step, 1020) for step in range(1020)]
        assert rates[:20] == pytest.approx([(i + 1) / 20 for i in range(20)])
        assert rates[20] == pytest.approx(1)
        assert rates[520] == pytest.approx((1 + 0.1) / 2)
        assert rates[270] - rates[520] == pytest.approx(rates[520] - rates[770])
        assert all(a > b for a, b in itertools.pairwise(rates[20:]))
        assert rates[-1] == pytest.approx(0.1, rel=1e-3)

    @pytest.mark.parametrize("total", [1, 2, 9, 10, 100])
    def test_short_runs_warm_up_for_a_tenth_at_most(self, total):
        rates = [schedule(self.config, step, total) for step in range(total)]
        assert rates.index(max(rates)) <= total // 10
        assert max(rates) == pytest.approx(1)
        assert min(rates) > 0

    def test_without_warm_up_or_decay(self):
        config = TrainingConfig(final_learning_rate=1, warmup_steps=0)
        assert {schedule(config, step, 10) for step in range(10)} == {1}

    def test_restarts_begin_the_same_course_anew(self):
        rates = [schedule(self.config, step, 900, [300, 700]) for step in range(900)]
        for start, end in itertools.pairwise([0, 300, 700, 900]):
            alone = [schedule(self.config, step, end - start) for step in range(end - start)]
            assert rates[start:end] == alone

    def test_a_run_cut_before_its_restart_has_none(self):
        assert schedule(self.config, 90, 100, [200]) == schedule(self.config, 90, 100)

    @pytest.mark.parametrize("restarts", [[3], [4], [2, 2], [2, 1]])
    def test_restarts_out_of_order_or_bounds(self, restarts):
        with pytest.raises(ConfigError, match="restarts .* not in order"):
            convert({"epochs": 3, "restarts": restarts}, TrainingConfig)


class TestRepeatable:
    @pytest.mark.parametrize("settings", [SETTINGS[0], SETTINGS[-1]])
    def test_same_seed_same_weights(self, trainer, tmp_path, settings):
        assert trainer("a", **settings).run()
        torch.manual_seed(7)
        # How often it is saved changes nothing.
        assert trainer("b", **settings).run(checkpoint_steps=1)
        assert state(tmp_path / "a") == state(tmp_path / "b")

    def test_other_seed_other_weights(self, trainer, tmp_path):
        for seed in (0, 1):
            trainer(f"{seed}", seed=seed, max_steps=1).run()
        assert state(tmp_path / "0") != state(tmp_path / "1")

    def test_global_randomness_neither_matters_nor_moves(self, trainer, monkeypatch):
        monkeypatch.setattr(loop, "check_components", check_components)
        before = torch.get_rng_state()
        trainer(max_steps=2).run()
        assert torch.equal(torch.get_rng_state(), before)


class TestResume:
    @pytest.mark.parametrize(
        "settings, stops",
        [
            *((settings, [3, 7, 13]) for settings in SETTINGS),
            *((SETTINGS[-1], [stop]) for stop in (1, 4)),
        ],
    )
    def test_ends_as_if_nothing_had_happened(self, trainer, tmp_path, settings, stops):
        trainer("whole", **settings).run()
        for step in stops:
            stop_at(trainer("parts", **settings), step)
            assert read_checkpoint(tmp_path / "parts").step == step
        assert trainer("parts", **settings).run()
        assert state(tmp_path / "parts") == state(tmp_path / "whole")

    def test_passes_added_after_a_restart(self, trainer, tmp_path):
        longer = {"epochs": 3, "restarts": [1], "max_steps": None}
        trainer("whole", **longer).run()
        assert trainer("parts", epochs=1, max_steps=None).run()
        assert trainer("parts", **longer).run()
        assert state(tmp_path / "parts") == state(tmp_path / "whole")

    def test_from_before_the_first_step(self, trainer, tmp_path):
        trainer("whole").run()
        trainer("parts").save()
        assert trainer("parts").run()
        assert state(tmp_path / "parts") == state(tmp_path / "whole")

    def test_finished_run_stays(self, trainer, tmp_path):
        trainer().run()
        before = state(tmp_path / "run")
        assert trainer().run()
        assert state(tmp_path / "run") == before
        assert steps_of(tmp_path / "run") == [TOTAL]

    def test_killed_between_the_last_checkpoint_and_its_weights(self, trainer, tmp_path):
        trainer("whole").run()
        stop_at(trainer(), 5)
        older = (tmp_path / "run" / WEIGHTS).read_bytes()
        trainer().run()
        (tmp_path / "run" / WEIGHTS).write_bytes(older)
        trainer().run()
        assert state(tmp_path / "run") == state(tmp_path / "whole")

    def test_log_goes_on_without_a_gap_or_a_repetition(self, trainer, tmp_path):
        folder = tmp_path / "run"
        stop_at(trainer(), 6, checkpoint_steps=2)
        assert steps_of(folder) == [2, 4, 6]
        # What a kill leaves: records of steps that no checkpoint has, the last one cut short.
        record = json.loads((folder / LOG).read_text().splitlines()[-1])
        with (folder / LOG).open("a") as file:
            for step in (8, 10):
                file.write(json.dumps(record | {"step": step}) + "\n")
            file.write('{"step": 12, "epo')
        trainer().run(checkpoint_steps=2)
        assert steps_of(folder) == [2, 4, 6, 8, 10, 12, 14]
        lines = (folder / LOG).read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [2, 4, 6, 8, 10, 12, 14]

    @pytest.mark.parametrize("garbage", [b"\xff\xfe\x00", b"\0" * 50, b"[]\n", b"{}\n"])
    def test_damaged_log_does_not_stop_a_run(self, trainer, tmp_path, garbage):
        folder = tmp_path / "run"
        stop_at(trainer(), 6, checkpoint_steps=2)
        with (folder / LOG).open("ab") as file:
            file.write(garbage)
        assert trainer().run(checkpoint_steps=2)
        assert steps_of(folder) == [2, 4, 6, 8, 10, 12, 14]


class TestResult:
    def test_weights_can_be_loaded(self, trainer, tmp_path):
        run = trainer(ema_decay=0.5)
        run.run()
        model = drawzoo.load(f"local-dir:{tmp_path / 'run'}")
        assert model.config == run.config.model
        assert model.sample(2).shape == (2, 1, 28, 28)

    def test_moving_average_is_what_is_used(self, trainer, tmp_path):
        decay, seen = 0.75, []
        run = trainer(ema_decay=decay, max_steps=4)
        parameter = run.model.latent.layer.weight
        run.run(report=lambda _: seen.append(parameter.detach().clone()))
        average = seen[0]
        for value in seen[1:]:
            average = decay * average + (1 - decay) * value
        used = load_file(tmp_path / "run" / WEIGHTS)["latent.layer.weight"]
        torch.testing.assert_close(used, average)
        assert not torch.allclose(used, seen[-1])

    def test_loss_goes_down(self, trainer, tmp_path):
        records = []
        whole = {"reader": "whole", "writer": "whole"}
        run = trainer(parts=whole, max_steps=60, optimizer="adam", learning_rate=0.02)
        run.run(checkpoint_steps=10, report=records.append)
        losses = [record["loss"] for record in records if "loss" in record]
        assert losses == [record["loss"] for record in read_log(tmp_path / "run")]
        assert len(losses) == 6
        assert losses[-1] < losses[0] - 10

    def test_log_says_how_it_went(self, trainer, tmp_path):
        trainer(max_steps=8).run()
        (record,) = read_log(tmp_path / "run")
        assert record["step"] == 8 and record["epoch"] == 2
        assert record["loss"] == record["nats"] > record["kl"] >= 0
        assert record["gradient_norm"] > 0 and record["images_per_s"] >= 0
        assert 0 < record["learning_rate"] <= 2e-3

    def test_starts_from_the_mean_image(self, trainer, images):
        canvas = trainer().model.initial_canvas.detach()
        torch.testing.assert_close(canvas.sigmoid(), images.mean(), atol=0.02, rtol=0)


class TestNotFinite:
    def test_images_that_are_poisoned(self, trainer, images, tmp_path):
        batches = itertools.count()

        class Poisoned(Images):
            def batch(self, index, generator=None):
                x = super().batch(index, generator)
                return x.fill_(float("nan")) if next(batches) >= 5 else x

        trainer("whole").run(checkpoint_steps=2)
        with pytest.raises(TrainingError, match="not finite.*learning_rate") as error:
            trainer(images=Poisoned(*images)).run(checkpoint_steps=2)
        folder = tmp_path / "run"
        assert str(folder) in str(error.value) and "\n" not in str(error.value)
        assert read_checkpoint(folder).step == 4
        assert finite(folder)
        trainer().run(checkpoint_steps=2)
        assert state(folder) == state(tmp_path / "whole")

    @pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
    @pytest.mark.parametrize("every", [1, 7])
    def test_huge_learning_rate(self, trainer, tmp_path, optimizer, every):
        run = trainer(
            learning_rate=1e6,
            matrix_learning_rate=1e6,
            weight_decay=1.0,
            optimizer=optimizer,
            max_steps=60,
            epochs=100,
        )
        with pytest.raises(TrainingError, match="not finite"):
            run.run(checkpoint_steps=every)
        folder = tmp_path / "run"
        assert finite(folder)
        assert read_checkpoint(folder).step < run.step
        assert drawzoo.load(f"local-dir:{folder}")


class TestRefusals:
    @pytest.fixture
    def labelled(self, monkeypatch):
        """Makes an encoder need labels; its own loss is the label."""

        def auxiliary_loss(self, context, labels):
            return labels.float()

        monkeypatch.setattr(LSTMEncoder, "needs_labels", True)
        monkeypatch.setattr(LSTMEncoder, "auxiliary_loss", auxiliary_loss)

    def test_no_labels(self, labelled, trainer, images):
        with pytest.raises(DataError, match="needs labels.*synthetic"):
            trainer(images=images._replace(labels=None))

    def test_labels_are_those_of_the_batch(self, labelled, trainer, images, tmp_path):
        labels = 100 + images.pixels.sum(dim=(1, 2, 3)) % 50
        run = trainer(images=images._replace(labels=labels), max_steps=4)
        seen = []
        monitored = run.model.forward

        def forward(x, noise, given):
            seen.extend(given.tolist())
            return monitored(x, noise, given)

        run.model.forward = forward
        run.run()
        (record,) = read_log(tmp_path / "run")
        assert len(seen) == 64 and set(seen) <= set(labels.tolist())
        assert record["loss"] - record["nats"] == pytest.approx(sum(seen) / 64, abs=1e-2)

    def test_no_labels_needed(self, trainer, images):
        assert trainer(images=images._replace(labels=None), max_steps=1).run()

    def test_batch_that_is_larger_than_the_data(self, trainer):
        assert trainer(batch_size=66, max_steps=1).run()
        with pytest.raises(ConfigError, match="batch of 67.*66 images.*batch_size"):
            trainer("other", batch_size=67)

    def test_images_of_another_shape(self, trainer, images):
        with pytest.raises(ConfigError, match=r"28.*20.*image="):
            trainer(images=images._replace(pixels=images.pixels[..., :20]))

    def test_full_disk(self, trainer, tmp_path, monkeypatch):
        trainer("whole").run()
        folder = tmp_path / "run"
        stop_at(trainer(), 6)
        before = state(folder)

        def full(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        run = trainer()
        with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left"):
            patch.setattr(os, "fsync", full)
            run.run(checkpoint_steps=2)
        assert state(folder) == before
        trainer().run()
        assert state(folder) == state(tmp_path / "whole")

    @pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc")
    def test_a_checkpoint_that_was_read_is_not_kept_in_memory_by_its_file(self, trainer, tmp_path):
        """Where it is, Windows does not let the next one take its place."""
        stop_at(trainer(), 4, checkpoint_steps=2)
        saved = read_checkpoint(tmp_path / "run")
        maps = Path("/proc/self/maps").read_text()
        assert str(tmp_path / "run" / CHECKPOINT) not in maps
        assert saved.step == 4

    def test_checkpoint_is_the_same_bytes_at_every_writing(self, trainer, tmp_path):
        run, written = trainer(), set()
        for _ in range(16):
            run.save()
            written.add((tmp_path / "run" / CHECKPOINT).read_bytes())
        assert len(written) == 1

    @pytest.mark.parametrize(
        "line",
        ['{"step": "x"}', "null", "[1]", "{}", "[" * 100_000],
        ids=["word", "null", "list", "empty", "deep"],
    )
    def test_damaged_log_is_cut_at_its_last_good_line(self, trainer, tmp_path, line):
        folder = tmp_path / "run"
        stop_at(trainer(), 6, checkpoint_steps=2)
        with (folder / LOG).open("a") as file:
            file.write(line + "\n")
        assert trainer().run(checkpoint_steps=2)
        assert steps_of(folder) == [2, 4, 6, 8, 10, 12, 14]

    @pytest.mark.parametrize(
        "damage",
        [
            lambda raw: b"",
            lambda raw: raw[: len(raw) // 2],
            lambda raw: b"not a checkpoint " * 100,
            lambda raw: raw.replace(b'\\"batch_size\\": 16', b'\\"batch_size\\": -1'),
            lambda raw: raw.replace(b'"step":"6"', b'"step":"x"'),
            lambda raw: raw.replace(b"model/latent.layer.bias", b"model/posterior.bios"),
            lambda raw: raw.replace(b"optimizer/0.step", b"optimizer/x.step"),
            lambda raw: raw.replace(b'optimizer/0.exp_avg"', b'optimizer/0.exp_avh"'),
            lambda raw: with_tensor(raw, "optimizer/0.exp_avg", torch.zeros(3)),
            lambda raw: with_tensor(raw, "optimizer/0.step", torch.zeros((), dtype=torch.int64)),
            lambda raw: with_tensor(raw, "optimizer/0.more", torch.zeros(())),
            lambda raw: with_tensor(raw, "optimizer/999.step", torch.zeros(())),
            lambda raw: with_step(raw, "-1"),
            lambda raw: with_step(raw, "1000000"),
            lambda raw: with_step(raw, str(10**20)),
        ],
        ids=[
            *("empty", "truncated", "garbage", "config", "step", "weights", "optimizer"),
            *("moment", "shape", "type", "a tensor too many", "a parameter too many"),
            *("before the start", "after the end", "beyond 64 bits"),
        ],
    )
    def test_damaged_checkpoint(self, trainer, tmp_path, damage):
        stop_at(trainer(optimizer="adam"), 6)
        path = tmp_path / "run" / CHECKPOINT
        raw = path.read_bytes()
        assert damage(raw) != raw
        path.write_bytes(damage(raw))
        with pytest.raises(TrainingError) as error:
            trainer(optimizer="adam")
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_run_of_less_than_half_an_image_a_second_has_a_record():
    run = RunConfig(model_config("draw-mnist"), TrainingConfig(batch_size=4))
    log = [{"step": 5, "epoch": 1.0, "nats": 9.0, "kl": 1.0, "images_per_s": s} for s in (0, 0.01)]
    log[1]["step"] = 10
    assert training_record(run, log, 20).seconds == 5 * 4 / 0.5 + 5 * 4 / 0.01
