"""The torchrun lines of help and documentation run as they are printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from torch.distributed.run import parse_args

from drawzoo.cli.sample import command as sample
from drawzoo.cli.train import command as train

PAGE = Path(__file__).parents[1] / "docs" / "distributed.md"
TEXTS = (PAGE.read_text(encoding="utf-8"), train.help, sample.help)
LINES = [
    line.strip().removeprefix("srun ")
    for text in TEXTS
    for line in re.sub(r"\\\n", "", text).splitlines()
    if "torchrun --" in line
]


def test_all_are_found():
    commands = [line.partition(" -m drawzoo ")[2].split()[1] for line in LINES]
    assert sorted(commands) == ["evaluate", "sample", "sample", "train", "train", "train"]


@pytest.mark.parametrize("line", LINES)
def test_torchrun_leaves_the_options_of_drawzoo_alone(line):
    before, _, after = line.partition(" -m drawzoo ")
    # What the shell and Slurm fill in.
    before = before.replace('"$SLURM_NNODES"', "1")
    found = parse_args(shlex.split(f"{before} -m drawzoo {after}")[1:])
    assert found.module and found.training_script == "drawzoo"
    assert [x for x in found.training_script_args if x != "--"] == shlex.split(after)[1:]


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in LINES if "SLURM" not in line])
def test_runs(line, model, data, tmp_path):
    """On two processes, the CPU and a small model; 20 drawings for a million."""
    small = {"--nproc-per-node 4": "--nproc-per-node 2", " --device cuda": "", "1000000": "20"}
    small["batch_size=512"] = "batch_size=8"
    for old, new in small.items():
        line = line.replace(old, new)
    if "-- train" in line:
        line += " --max-steps 2 --set decoder.units=8 --set encoder.units=8 --set batch_size=8"
    else:
        line = line.replace(" draw-mnist", f" {model}")
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *shlex.split(line)[1:]],
        cwd=tmp_path,
        env={**os.environ, "DRAWZOO_DATA": str(data), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    if "-- sample" in line:
        assert (tmp_path / "digits" / "index.json").is_file()
    elif "-- train" in line:
        assert (tmp_path / "runs" / "draw" / "model.safetensors").is_file()
    else:
        assert '"nats_mean"' in result.stdout
