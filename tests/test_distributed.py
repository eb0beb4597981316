"""Two real processes on the CPU: the results of one, and an end when one of them dies."""

import json
import time

import pytest
import torch
from processes import finish, start
from safetensors.torch import load_file
from torch import distributed

from drawzoo.engine.saving import write_model
from drawzoo.engine.world import World, world
from drawzoo.registry.build import build
from drawzoo.schema.base import encode
from drawzoo.store.weights import WEIGHTS
from drawzoo.training.checkpoint import CHECKPOINT, read_checkpoint
from drawzoo.training.log import read_log


@pytest.fixture
def config(tiny, tmp_path):
    path = tmp_path / "model.json"
    path.write_bytes(encode(tiny(image=(1, 28, 28), dataset="synthetic", decoder=8)))
    return path


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("items", [7, 100])
def test_shares_are_all_and_nearly_equal(size, items):
    shares = [list(range(items))[World(rank, size).share(items)] for rank in range(size)]
    assert sum(shares, []) == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("muon", marks=pytest.mark.slow)])
def test_two_train_to_the_weights_of_one(config, tmp_path, optimizer):
    """And the two compute steps again for the gradient."""

    def train(size):
        # 15 images are 7 and 8: the mean over all of them is not the mean of the two means.
        run = ("train", config, "--out", tmp_path / f"run{size}", "--max-steps", 6)
        folder = tmp_path / f"out{size}"
        settings = ("--set", "batch_size=15", "--set", "clip_norm=1")
        settings += ("--set", f"optimizer={optimizer}", *["--recompute"] * (size > 1))
        return finish(start(size, folder, *run, *settings), folder)

    [(code, _, err)] = train(1)
    assert code == 0, err
    (code, _, err), other = train(2)
    assert code == 0, err
    assert "2 processes" in err
    assert other == (0, [], "")
    one, two = (tmp_path / f"run{size}" for size in (1, 2))
    weights = load_file(two / WEIGHTS)
    for name, tensor in load_file(one / WEIGHTS).items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-5, atol=1e-5)
    last, last_of_two = read_log(one)[-1], read_log(two)[-1]
    for key in ("loss", "nats", "kl", "gradient_norm", "valid_nats", "valid_kl"):
        assert last_of_two[key] == pytest.approx(last[key], rel=1e-4)


@pytest.mark.slow
def test_a_killed_process_ends_the_run_with_a_checkpoint(config, tmp_path):
    out = tmp_path / "run"
    run = ("train", config, "--out", out, "--epochs", 10**6, "--checkpoint-steps", 2)
    group = start(2, tmp_path / "out", *run, "--set", "batch_size=4")
    wait_for_step(out, 2, group)
    group[1].kill()
    (code, _, err), (killed, _, _) = finish(group, tmp_path / "out")
    assert (code, killed) == (9, -9)
    assert err.splitlines()[-1].startswith("Error: another process of this run has died")
    assert "--resume" in err
    # One process goes on from where two were, and stops when it is told to.
    step = read_checkpoint(out).step
    alone = start(1, tmp_path / "alone", "train", "--resume", "--out", out)
    said = tmp_path / "alone" / "0.err"
    wait(lambda: said.exists() and f"step {step} of" in said.read_text(), alone)
    alone[0].terminate()
    [(code, _, err)] = finish(alone, tmp_path / "alone")
    assert code == 130, err
    assert read_checkpoint(out).step > step


def test_a_signal_to_one_stops_all(config, tmp_path):
    out = tmp_path / "run"
    run = ("train", config, "--out", out, "--epochs", 10**6, "--checkpoint-steps", 2)
    group = start(2, tmp_path / "out", *run, "--set", "batch_size=4")
    wait_for_step(out, 2, group)
    group[1].terminate()
    (code, _, err), (other, _, silence) = finish(group, tmp_path / "out")
    assert (code, other, silence) == (130, 130, "")
    assert f"stopped and saved at step {read_checkpoint(out).step} of" in err


def wait(condition, group):
    deadline = time.monotonic() + 60
    while not condition():
        assert all(process.is_alive() for process in group)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_step(out, step, group):
    wait(lambda: (out / CHECKPOINT).exists() and read_checkpoint(out).step >= step, group)


def test_evaluation_and_shards_are_those_of_one(tiny, tmp_path):
    # The sample of MNIST is two batches.
    model = build(tiny(image=(1, 28, 28), dataset="mnist-sample", steps=1))
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder, model.config, model.state_dict())
    name = f"local-dir:{folder}"

    def run(size, what, *args):
        output = tmp_path / f"{what}{size}"
        return finish(start(size, output, what, name, *args), output)

    [(code, one, err)] = run(1, "evaluate", "--json")
    assert code == 0, err
    (_, two, err), other = run(2, "evaluate", "--json")
    assert json.loads(two[0]) == json.loads(one[0]), err
    assert other == (0, [], "")
    for size in (1, 2):
        shards = ("--num", 10_150, "--out", tmp_path / f"shards{size}")
        assert all(code == 0 for code, _, _ in run(size, "sample", *shards))
    names = sorted(path.name for path in (tmp_path / "shards1").iterdir())
    assert names == ["000000.safetensors", "000001.safetensors", "index.json"]
    for file in names:
        two, one = (tmp_path / f"shards{size}" / file for size in (2, 1))
        assert two.read_bytes() == one.read_bytes()


def test_tensors_of_the_cpu_meet_beside_those_of_the_gpus(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(distributed, "init_process_group", lambda name, **_: asked.append(name))
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: None)
    for key, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(key, value)
    with world("cuda") as (processes, device):
        assert (processes, device) == (World(1, 2), "cuda:1")
    backends = distributed.distributed_c10d.BackendConfig(distributed.Backend(asked[0]))
    assert backends.get_device_backend_map() == {"cpu": "gloo", "cuda": "nccl"}
