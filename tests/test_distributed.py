"""Two real processes on the CPU: the results of one, and an end when one of them dies."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from drawzoo.config import encode
from drawzoo.distributed import World
from drawzoo.training.checkpoint import CHECKPOINT, read_checkpoint
from drawzoo.weights import WEIGHTS, write_model
from drawzoo.zoo import build


@pytest.fixture
def start(free_port):
    """Starts `drawzoo …` as that many processes, with what torchrun would set."""
    started = []

    def start(size, *args):
        port, group = str(free_port()), []
        for rank in range(size):
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            if size > 1:
                environment |= {
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                    "WORLD_SIZE": str(size),
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": port,
                }
            group.append(
                subprocess.Popen(
                    [sys.executable, "-m", "drawzoo", *map(str, args)],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        started.extend(group)
        return group

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def free_port():
    import socket

    def find():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return listener.getsockname()[1]

    return find


def finish(group, code=0):
    outputs = [process.communicate(timeout=120) for process in group]
    for process, (_, err) in zip(group, outputs, strict=True):
        assert process.returncode == code, err
    return outputs


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


def test_two_train_to_the_weights_of_one(start, config, tmp_path):
    def train(size, folder):
        # 15 images are 7 and 8: the mean over all of them is not the mean of the two means.
        settings = ("--set", "batch_size=15", "--set", "clip_norm=1")
        return start(size, "train", config, "--out", tmp_path / folder, "--max-steps", 8, *settings)

    one, two = train(1, "one"), train(2, "two")
    outputs = [*finish(one), *finish(two)]
    assert "2 processes" in outputs[1][1]
    assert outputs[2] == ("", "")
    files = [load_file(tmp_path / folder / WEIGHTS) for folder in ("one", "two")]
    for name, tensor in files[0].items():
        torch.testing.assert_close(files[1][name], tensor, rtol=1e-5, atol=1e-6)
    logs = [(tmp_path / f / "log.jsonl").read_text().splitlines() for f in ("one", "two")]
    records = [json.loads(lines[-1]) for lines in logs]
    for key in ("loss", "nats", "kl", "gradient_norm"):
        assert records[1][key] == pytest.approx(records[0][key], rel=1e-4)


def test_a_killed_process_ends_the_run_with_a_checkpoint(start, config, tmp_path):
    out = tmp_path / "run"
    run = ("train", config, "--out", out, "--max-steps", 10**6, "--epochs", 10**6)
    group = start(2, *run, "--checkpoint-steps", 2, "--set", "batch_size=4")
    while not (out / CHECKPOINT).exists() or read_checkpoint(out).step < 2:
        assert group[0].poll() is None, group[0].communicate()[1]
        time.sleep(0.05)
    group[1].kill()
    _, err = group[0].communicate(timeout=60)
    assert group[0].returncode == 9
    assert err.splitlines()[-1].startswith("Error: another process of this run has died")
    assert "--resume" in err
    # One process goes on, from where two were, and stops when it is told to.
    before = read_checkpoint(out).step
    [alone] = start(1, "train", "--resume", "--out", out, "--checkpoint-steps", 2)
    while read_checkpoint(out).step == before:
        assert alone.poll() is None, alone.communicate()[1]
        time.sleep(0.05)
    alone.terminate()
    finish([alone], 130)
    assert read_checkpoint(out).step > before


def test_evaluation_and_shards_are_those_of_one(start, tiny, tmp_path):
    model = build(tiny(image=(1, 28, 28), dataset="mnist-sample", steps=1))
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder, model.config, model.state_dict())
    evaluate = ("evaluate", f"local-dir:{folder}", "--json")
    sample = ("sample", f"local-dir:{folder}", "--num", 10_150, "--out")
    groups = [start(n, *evaluate) for n in (1, 2)]
    groups += [start(n, *sample, tmp_path / str(n)) for n in (1, 2)]
    one, two, *_ = [finish(group) for group in groups]
    assert json.loads(two[0][0]) == json.loads(one[0][0])
    assert two[1] == ("", "")
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == ["000000.safetensors", "000001.safetensors", "index.json"]
    for name in names:
        assert (tmp_path / "2" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()
