"""`drawzoo train`: its arguments, interruption, and resuming."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from runs import TINY_RUN, state, steps_of
from safetensors.torch import load_file

import drawzoo
from drawzoo import RunConfig
from drawzoo.cli import main, runs
from drawzoo.disk.atomic import locked
from drawzoo.errors import ConfigError, OutputError, TrainingError
from drawzoo.store.weights import WEIGHTS
from drawzoo.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from drawzoo.training.loop import Trainer
from drawzoo.training.run_options import OPTIONS, RunOptions, read_options


@contextlib.contextmanager
def signals_kept():
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run of `TestCommand.new`."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with signals_kept(), pytest.raises(SystemExit) as exit:
        main(["train", *TestCommand.new, "--out", str(folder)])
    assert exit.value.code == 0
    return folder


class TestCommand:
    @pytest.fixture(autouse=True)
    def signals(self):
        with signals_kept():
            yield

    @pytest.fixture
    def done(self, finished, tmp_path):
        """A finished run where `train` has its own."""
        return shutil.copytree(finished, tmp_path / "run")

    @pytest.fixture
    def said(self):
        """What the calls of `train` wrote on stdout."""
        return []

    @pytest.fixture
    def train(self, tmp_path, capsys, said):
        """Runs `drawzoo train`; gives its exit code and what it says."""

        def run(*args, out=tmp_path / "run"):
            with pytest.raises(SystemExit) as exit:
                main(["train", *args, "--out", str(out)])
            captured = capsys.readouterr()
            said.append(captured.out)
            if "--seeds" not in args:
                assert captured.out == ""
            return exit.value.code, captured.err

        return run

    tiny = TINY_RUN
    new = (*tiny, "--max-steps", "4")

    def test_trains_and_resumes(self, train, tmp_path):
        code, text = train(*self.new)
        assert code == 0 and "step 0 of 4" in text and f"local-dir:{tmp_path / 'run'}" in text
        before = state(tmp_path / "run")
        for args in (("--resume",), ("--resume", *self.new), ("--resume", "--max-steps", "4")):
            code, text = train(*args)
            assert code == 0 and "step 4 of 4" in text
        assert state(tmp_path / "run") == before

    def test_seeds_are_trained_one_after_another(self, train, said, tmp_path):
        assert train(*self.new, "--seed", "3", out=tmp_path / "alone")[0] == 0
        assert train(*self.new, "--seeds", "5,3", out=tmp_path / "all")[0] == 0
        assert state(tmp_path / "all" / "seed-3") == state(tmp_path / "alone")
        nats = [read_checkpoint(tmp_path / "all" / f"seed-{seed}").best.nats for seed in (5, 3)]
        *seeds, mean = said[-1].splitlines()
        for seed, bound, line in zip((5, 3), nats, seeds, strict=True):
            assert line.startswith(f"seed {seed}: {bound:.2f} nats on validation")
        assert f"{sum(nats) / 2:.2f} ± {abs(nats[0] - nats[1]) / 2**0.5:.2f}" in mean
        # A run that is there is not begun again, and a seed that is not begins as the others.
        code, text = train(*self.new, "--seeds", "3,4", out=tmp_path / "all")
        assert code == 2 and "seed-3" in text and not (tmp_path / "all" / "seed-4").exists()
        before = state(tmp_path / "all" / "seed-5")
        code, text = train("--resume", "--seeds", "5,3,4", out=tmp_path / "all")
        assert code == 0 and said[-1].startswith("\n".join(seeds))
        assert state(tmp_path / "all" / "seed-5") == before
        assert train(*self.new, "--seed", "4", out=tmp_path / "four")[0] == 0
        assert state(tmp_path / "all" / "seed-4") == state(tmp_path / "four")

    def test_seeds_without_validation_have_the_last_bound(self, train, said):
        code, _ = train(*self.new, "--seeds", "0", "--set", "validation=0")
        assert code == 0 and "training images" in said[-1] and "±" not in said[-1]

    def test_interrupted_seeds_go_on(self, train, said, tmp_path, monkeypatch):
        assert train(*self.new, "--seeds", "0,1", out=tmp_path / "whole")[0] == 0
        step = Trainer.train_step

        def interrupted(trainer):
            if trainer.config.training.seed == 1 and trainer.step == 1:
                os.kill(os.getpid(), signal.SIGINT)
            return step(trainer)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "train_step", interrupted)
            code, text = train(*self.new, "--seeds", "0,1", out=tmp_path / "parts")
        assert code == 130 and said[-1] == ""
        words = shlex.split(text.partition("go on with:")[2])
        assert (
            words[:2] == ["drawzoo", "train"]
            and read_checkpoint(tmp_path / "parts" / "seed-1").step == 2
        )
        with pytest.raises(SystemExit) as exit:
            main(words[1:])
        assert exit.value.code == 0
        for seed in ("seed-0", "seed-1"):
            assert state(tmp_path / "parts" / seed) == state(tmp_path / "whole" / seed)

    def test_ctrl_c_in_a_long_step_says_what_is_waited_for(self, train, capsys, monkeypatch):
        step, text = Trainer.train_step, ""

        def long(trainer):
            nonlocal text
            if trainer.step == 0:
                os.kill(os.getpid(), signal.SIGINT)
                end = time.monotonic() + 100
                while runs.STOPPING not in text and time.monotonic() < end:
                    time.sleep(0.01)
                    text += capsys.readouterr().err
            return step(trainer)

        monkeypatch.setattr(Trainer, "train_step", long)
        assert train(*self.new)[0] == 130
        assert text.count(runs.STOPPING) == 1

    def test_resume_remembers_data_and_checkpoint_steps(self, train, tmp_path, monkeypatch):
        asked, load = [], runs.load_images

        def load_images(config, root):
            asked.append(root.absolute())
            return load(config, root)

        monkeypatch.setattr(runs, "load_images", load_images)
        monkeypatch.chdir(tmp_path)
        assert train(*self.new, "--data", "images", "--checkpoint-steps", "7")[0] == 0
        kept = RunOptions(str(tmp_path / "images"), 7)
        assert read_options(tmp_path / "run") == kept
        monkeypatch.chdir("/")
        assert train("--resume")[0] == 0
        assert asked == [tmp_path / "images"] * 2
        assert read_options(tmp_path / "run") == kept
        # What is said now wins.
        assert train("--resume", "--data", "/other", "--checkpoint-steps", "9")[0] == 0
        assert read_options(tmp_path / "run") == RunOptions("/other", 9)

    def test_resume_of_a_run_that_is_older_than_a_setting(self, train, done):
        checkpoint = read_checkpoint(done)
        reader = checkpoint.config.model.reader
        assert reader.config == {"size": 5}
        older = msgspec.structs.replace(reader, config={})
        model = msgspec.structs.replace(checkpoint.config.model, reader=older)
        config = RunConfig(model, checkpoint.config.training)
        write_checkpoint(done, checkpoint._replace(config=config))
        assert train("--resume")[0] == 0

    def test_resume_remembers_the_precision(self, train, tmp_path):
        for arguments in ([*self.new, "--precision", "bf16"], ["--resume"]):
            code, err = train(*arguments)
            assert code == 0 and ", bf16" in err
            assert read_options(tmp_path / "run").precision == "bf16"

    @pytest.mark.parametrize("raw", [b"", b"[]", b'{"checkpoint_steps": 0}', b" " * 10**7])
    def test_options_that_cannot_be_read_are_told_and_left(self, train, done, caplog, raw):
        (done / OPTIONS).write_bytes(raw)
        assert train("--resume")[0] == 0 and OPTIONS in caplog.text
        assert read_options(done) == RunOptions()

    def test_begins_with_the_weights_of_a_model(self, train, tmp_path):
        assert train(*self.new, out=tmp_path / "first")[0] == 0
        name = f"local-dir:{tmp_path / 'first'}"
        # A run of so small steps ends where it began.
        still = ("--set", "learning_rate=1e-30", "--set", "matrix_learning_rate=1e-30")
        still += ("--set", "batch_size=16", "--max-steps", "2")
        code, text = train("--init-from", name, *still, "--seed", "7")
        assert code == 0, text
        weights = [load_file(tmp_path / run / WEIGHTS) for run in ("first", "run")]
        assert weights[0].keys() == weights[1].keys()
        assert all(weights[0][key].equal(weights[1][key]) for key in weights[0])
        assert read_checkpoint(tmp_path / "run").config.training.init_from == name
        # The run knows by itself where it began, and no longer needs it.
        (tmp_path / "first" / WEIGHTS).unlink()
        assert train("--resume")[0] == 0
        assert train("--init-from", name, out=tmp_path / "other")[0] == 6
        assert not (tmp_path / "other").exists()

    def test_weights_of_a_model_that_do_not_fit(self, train, finished):
        name = f"local-dir:{finished}"
        code, text = train(*self.new, "--set", "encoder.units=9", "--init-from", name)
        assert code == 3 and "do not fit draw-synthetic: " in text and text.count("\n") == 1
        assert train("--init-from", "no-such-model")[0] == 4

    def test_precision(self, train, done, tmp_path):
        code, text = train(*self.new, "--precision", "bf16", out=tmp_path / "bf16")
        assert code == 0 and "bf16" in text.splitlines()[0]
        assert state(tmp_path / "bf16") != state(done)

    @pytest.mark.parametrize("seeds", ["", "1,1", "1,-2", "1;2", "a"])
    def test_seeds_that_are_none(self, train, seeds):
        code, text = train(*self.new, "--seeds", seeds)
        assert code == 2 and text.count("\n") == 1 and "--seeds" in text

    def test_seed_and_seeds(self, train):
        for one in (("--seed", "1"), ("--set", "seed=1")):
            code, text = train(*self.new, "--seeds", "0,1", *one)
            assert code == 2 and text.count("\n") == 1

    def test_without_tensorboard_nothing_is_written(self, train, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        code, text = train(*self.new, "--tensorboard")
        assert code == OutputError.exit_code and text.count("\n") == 1
        assert not (tmp_path / "run").exists()

    def test_says_a_line_now_and_then_without_a_terminal(self, train):
        code, text = train(*self.new, "--checkpoint-steps", "2")
        lines = [line for line in text.splitlines() if "images/s" in line]
        assert code == 0 and len(lines) == 2
        for step, line in zip((2, 4), lines, strict=True):
            assert line.startswith(f"step {step} of 4, epoch ") and "loss" in line

    def test_run_is_not_overwritten(self, train, done):
        before = state(done)
        code, text = train(*self.new)
        assert code == 2 and "--resume" in text and text.count("\n") == 1
        assert state(done) == before

    @pytest.mark.parametrize(
        "key, value",
        [
            ("learning_rate", "0.5"),
            ("max_steps", "5"),
            ("seed", "1"),
            ("latent.size", "3"),
            ("encoder.units", "9"),
            ("optimizer", "adamw"),
        ],
    )
    def test_resume_with_other_settings(self, train, done, key, value):
        for args in (("--resume",), ("--resume", *self.new)):
            code, text = train(*args, "--set", f"{key}={value}")
            assert code == ConfigError.exit_code
            assert text.startswith("Error: ") and text.count("\n") == 1
            assert key.rpartition(".")[2] in text and value in text

    def test_resume_with_more_passes(self, train, tmp_path):
        new = (*self.tiny, "--set", "batch_size=400", "--epochs", "1")
        assert train(*new)[0] == 0
        code, text = train("--resume", "--epochs", "2")
        assert code == ConfigError.exit_code and "--epochs 2 --set 'restarts=[1]'" in text
        code, text = train("--resume", "--epochs", "2", "--set", "restarts=[1]")
        assert code == 0 and read_checkpoint(tmp_path / "run").config.training.restarts == (1,)
        code, text = train("--resume", "--epochs", "1", "--set", "restarts=[]")
        assert code == ConfigError.exit_code and "add epochs" not in text

    def test_resume_of_another_model(self, train, done):
        code, text = train("model3-mnist", "--resume")
        assert code == ConfigError.exit_code and "another" in text

    def test_resume_without_a_checkpoint(self, train, tmp_path):
        code, text = train("--resume")
        assert code == 2 and str(tmp_path / "run") in text and text.count("\n") == 1
        assert train("--resume", *self.new)[0] == 0

    def test_damaged_checkpoint(self, train, done):
        path = done / CHECKPOINT
        path.write_bytes(path.read_bytes()[:-1])
        code, text = train("--resume")
        assert code == TrainingError.exit_code
        assert text.startswith("Error: ") and text.count("\n") == 1

    @pytest.mark.parametrize(
        "args, code, word",
        [
            ((), 2, "drawzoo list"),
            (("draw-mnits",), 4, "draw-mnist"),
            (("missing.json",), 3, "missing.json"),
            (("draw-mnist", "--set", "steps"), 2, "KEY=VALUE"),
            (("draw-mnist", "--set", "stepz=3"), 3, "steps"),
            (("draw-mnist", "--set", "learning_rat=3"), 3, "learning_rate"),
            (("draw-mnist", "--set", "learning_rate=fast"), 3, "learning_rate"),
            (("draw-mnist", "--set", "learning_rate=NaN"), 3, "learning_rate"),
            (("draw-mnist", "--set", "learning_rate=-1"), 3, "learning_rate"),
            (("draw-mnist", "--set", "weight_decay=NaN"), 3, "weight_decay"),
            (("draw-mnist", "--set", "optimizer=sgd"), 4, "known: adam, adamw, muon"),
            (("draw-mnist", "--set", "encoder.unitz=3"), 3, "units"),
            (("draw-mnist", "--set", "encodr.units=3"), 3, "encoder"),
            (("draw-mnist", "--set", "encoder=lstm"), 3, "encoder.name="),
            (("draw-mnist", "--set", "dataset=mnits"), 4, "mnist"),
            (("draw-mnist", "--set", "dataset=synthetic", "--set", "batch_size=3000"), 3, "2000"),
            (("draw-mnist", "--set", "dataset=synthetic", "--set", "image=[3,8,8]"), 3, "image"),
            (("draw-mnist", "--device", "nowhere"), 3, "--device nowhere"),
            (("draw-mnist", "--precision", "tf32"), 3, "--device cuda"),
            (("draw-mnist", "--precision", "half"), 2, "--precision"),
            (("draw-mnist", "--epochs", "0"), 2, "--epochs"),
            (("draw-mnist", "--seed", "-1"), 2, "--seed"),
            (("draw-mnist", "--seed", str(2**70)), 3, "seed"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_wrong_arguments(self, train, args, code, word):
        found, text = train(*args)
        assert found == code
        assert text.startswith("Error: ") and text.count("\n") == 1
        assert word in text

    def test_folder_in_which_another_run_is_going_on(self, train, tmp_path):
        with locked(tmp_path):
            code, text = train(*self.new, out=tmp_path)
        assert code == OutputError.exit_code and text.count("\n") == 1 and "another" in text
        assert not (tmp_path / "config.json").exists()

    def test_folder_that_cannot_be_made(self, train, tmp_path):
        (tmp_path / "file").touch()
        code, text = train(*self.new, out=tmp_path / "file" / "run")
        assert code == OutputError.exit_code and text.count("\n") == 1

    def test_a_refused_run_leaves_no_folder(self, train, tmp_path):
        code, text = train(*self.new, "--set", "image=[1,28,29]")
        assert code == ConfigError.exit_code and "[1, 28, 29]" in text
        assert not (tmp_path / "run").exists()

    def test_config_file(self, train, done, tmp_path):
        name = str(done / "config.json")
        settings = ("--max-steps", "4", "--set", "batch_size=16")
        assert train(name, *settings, out=tmp_path / "again")[0] == 0
        assert state(tmp_path / "again") == state(done)

    def test_interruption_saves_and_says_how_to_go_on(self, tmp_path, train):
        folder = tmp_path / "a run"
        args = [*self.tiny, "--max-steps", "100000", "--out", str(folder)]
        process = subprocess.Popen(
            [sys.executable, "-m", "drawzoo", "train", *args, "--checkpoint-steps", "100000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "step 0 of" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, text = process.communicate(timeout=60)
        assert process.returncode == 130 and out == ""
        said = [line for line in text.splitlines() if "images/s" not in line]
        assert "Traceback" not in text
        assert [line for line in said if line != runs.STOPPING] == said[-1:]
        step = read_checkpoint(folder).step
        assert step >= 1 and f"step {step} of" in text
        assert steps_of(folder)[-1] == step
        drawzoo.load(f"local-dir:{folder}")
        words = shlex.split(text.partition("go on with:")[2])
        assert words[:5] == ["drawzoo", "train", "--resume", "--out", str(folder)]
        assert words[5:] == [] and read_options(folder).checkpoint_steps == 100_000
