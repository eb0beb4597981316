"""On a GPU: what the CPU computes, eager, compiled, resumed, in parallel and from the commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_fast import architectures, assert_same, outcome

import drawzoo
from drawzoo.data.images import load_dataset
from drawzoo.engine.compilation import compile_sampling, compile_training
from drawzoo.registry.build import model_config
from drawzoo.store.sources import shipped
from drawzoo.store.weights import WEIGHTS, read_model
from drawzoo.training.muon import SHORT, orthogonalize

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    # What the compiler says of a GPU is told, and breaks no compilation off.
    pytest.mark.filterwarnings("default"),
]
CUDA = torch.device("cuda")


def on_cpu(gradients):
    return {name: None if value is None else value.cpu() for name, value in gradients.items()}


@pytest.mark.parametrize("name", architectures())
def test_bound_and_gradients_are_the_cpus(name):
    model = read_model(shipped(name)).double()
    expected = outcome(model, steps=2)
    assert_same(on_cpu(outcome(model.to(CUDA), steps=2)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", ["draw-mnist", "convdraw-mnist"])
def test_a_cuda_graph_is_the_eager_step(name, recompute):
    """With new weights at every replay: a graph must not keep what it was captured with."""
    torch.compiler.reset()
    model = drawzoo.build(model_config(name)).to(CUDA)
    model.recompute = recompute
    compiled = compile_training(model, CUDA)
    plain = drawzoo.build(model.config).to(CUDA)
    for shift in range(4):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01 * shift * torch.randn_like(parameter))
        plain.load_state_dict(model.state_dict())
        actual = {k: None if v is None else v.clone() for k, v in outcome(model, compiled).items()}
        assert_same(actual, outcome(plain), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_seed_draws_what_it_draws_on_the_cpu(compiled):
    model = read_model(shipped("draw-mnist"))
    expected = model.sample(150, generator=torch.Generator().manual_seed(3))
    model.to(CUDA)
    if compiled:
        compile_sampling(model)
    actual = model.sample(150, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("side, tolerance", [(SHORT // 2, 1e-4), (4 * SHORT, 5e-2)])
def test_orthogonal_factors(side, tolerance):
    matrices = torch.randn(3, side, 2 * side)
    actual = orthogonalize(matrices.to(CUDA)).cpu()
    torch.testing.assert_close(actual, orthogonalize(matrices), rtol=0, atol=tolerance)


def test_seeds_side_by_side(monkeypatch, tmp_path):
    """Steps as a CUDA graph leave the weights of eager steps, on new images and noise each."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    from train_seeds import Runs, Stacked

    config = drawzoo.build(model_config("draw-mnist")).config
    images = load_dataset("mnist-sample", "test", tmp_path)
    training = drawzoo.TrainingConfig(epochs=2, batch_size=16, validation=0)
    ends = []
    for graph in (False, True):
        stacked = Stacked(config, (0, 1), images, 16, CUDA, compile=graph)
        runs = Runs(stacked, training, images)
        step = runs.replayed() if graph else runs.step
        torch.manual_seed(0)
        runs.shuffle()
        for _ in range(4):
            step()
        assert runs.done.item() == 4 and len(runs.history[:4, 0, 1].unique()) == 4
        ends.append({name: weight.detach() for name, weight in stacked.weights.items()})
        ends[-1]["loss, bound, KL, norm"] = runs.history[:4] / runs.history[:4].abs().amax((0, 1))
    for name, weight in ends[0].items():
        torch.testing.assert_close(ends[1][name], weight, rtol=0, atol=5e-3, msg=name)


class TestTraining:
    settings = ("dataset=synthetic", "steps=3", "batch_size=16", "decoder.units=64")

    @pytest.fixture
    def train(self, invoke, tmp_path):
        settings = [word for item in self.settings for word in ("--set", item)]

        def call(out, *options):
            out = tmp_path / out
            code, _, err = invoke("train", "draw-mnist", *settings, "--out", out, *options)
            assert code == 0, err
            return load_file(out / WEIGHTS)

        return call

    def assert_near(self, actual, expected, tolerance):
        for name, value in expected.items():
            torch.testing.assert_close(actual[name], value, rtol=0, atol=tolerance, msg=name)

    def test_twelve_steps_are_the_cpus(self, train):
        expected = train("cpu", "--max-steps", 12)
        self.assert_near(train("eager", "--max-steps", 12, "--device", "cuda"), expected, 5e-3)
        graphs = train("graphs", "--max-steps", 12, "--device", "cuda", "--compile", "yes")
        self.assert_near(graphs, expected, 5e-3)

    @pytest.mark.parametrize("precision", ["tf32", "bf16"])
    def test_shorter_products_are_near(self, train, precision):
        expected = train("float32", "--max-steps", 12, "--device", "cuda")
        short = train("short", "--max-steps", 12, "--device", "cuda", "--precision", precision)
        self.assert_near(short, expected, 2e-2)
        assert any((short[name] != expected[name]).any() for name in expected)

    def test_resumed(self, tmp_path):
        """A run that dies and is resumed ends with the weights of a run without a break.

        Each process is new: in a process that has trained before, sums may round differently.
        """
        script = (
            "import drawzoo.training.loop as loop, drawzoo.cli as cli, sys\n"
            "step = loop.Trainer.train_step\n"
            "def dying(self):\n"
            "    if self.step == 7: import os; os._exit(9)\n"
            "    return step(self)\n"
            "loop.Trainer.train_step = dying\n"
            "cli.main(sys.argv[1:])"
        )

        def run(out, code, start, *words):
            line = [sys.executable, *start, "train", *words, "--out", str(tmp_path / out)]
            result = subprocess.run([*line, "--device", "cuda"], timeout=100, capture_output=True)
            assert result.returncode == code, result.stderr

        options = [word for item in self.settings for word in ("--set", item)]
        new = ["draw-mnist", *options, "--epochs", "2", "--checkpoint-steps", "5"]
        run("whole", 0, ["-m", "drawzoo"], *new)
        run("resumed", 9, ["-c", script], *new)
        run("resumed", 0, ["-m", "drawzoo"], "--resume")
        expected = load_file(tmp_path / "whole" / WEIGHTS)
        self.assert_near(load_file(tmp_path / "resumed" / WEIGHTS), expected, 1e-3)

    def test_with_nccl(self, train, tmp_path):
        """One process that torchrun starts, with NCCL, trains as one without."""
        expected = train("alone", "--max-steps", 6, "--device", "cuda")
        options = [word for item in self.settings for word in ("--set", item)]
        line = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1"]
        line += ["-m", "drawzoo", "--", "train", "draw-mnist", "--out", str(tmp_path / "nccl")]
        line += ["--max-steps", "6", "--device", "cuda", *options]
        result = subprocess.run(line, capture_output=True, text=True, timeout=100, env=os.environ)
        assert result.returncode == 0, result.stderr
        self.assert_near(load_file(tmp_path / "nccl" / WEIGHTS), expected, 5e-3)


class TestCommands:
    def test_evaluate_and_sample(self, invoke, tmp_path):
        nats = []
        for device in ("cpu", "cuda"):
            words = ("evaluate", "draw-mnist", "--dataset", "mnist-sample", "--json")
            code, out, err = invoke(*words, "--device", device)
            assert code == 0, err
            nats.append(json.loads(out)["nats_mean"])
        assert nats[1] == pytest.approx(nats[0], rel=1e-4)
        sheet = tmp_path / "sheet.png"
        code, _, err = invoke("sample", "model3-mnist", "--device", "cuda", "--out", sheet)
        assert code == 0, err
        assert sheet.read_bytes().startswith(b"\x89PNG")

    def test_a_gpu_that_is_not_there(self, invoke):
        number = torch.cuda.device_count() + 3
        code, _, err = invoke("sample", "draw-mnist", "--device", f"cuda:{number}")
        assert code == 3 and f"cuda:{number}" in err and len(err.splitlines()) == 1

    def test_bench_names_the_gpu(self, invoke):
        words = ("bench", "train", "draw-mnist", "--device", "cuda", "--seconds", 1, "--json")
        code, out, err = invoke(*words, "--no-compile")
        assert code == 0, err
        assert torch.cuda.get_device_name() in json.dumps(json.loads(out))

    def test_memory_of_recomputing(self, invoke):
        code, out, err = invoke("bench", "memory", "draw-mnist", "--device", "cuda", "--json")
        assert code == 0, err
        assert re.search(r"\d", out)
