"""A run that is killed at any moment goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys

import pytest
from runs import TINY_RUN, state, steps_of

from drawzoo.store.weights import WEIGHTS

# One process imports torch and its compiler, which an optimiser needs; each run is a child of it,
# with a command line of its own. A child kills itself at the n-th time that it opens, renames or
# removes a file of the run's folder: the moment does not depend on how fast the machine is, and
# lies between the bytes of a file and its name as often as not.
KILLER = """
import os, signal, sys
from pathlib import Path
import torch._dynamo
from drawzoo.cli import main, runs
from drawzoo.training.checkpoint import read_checkpoint

folder, steps, args = Path(sys.argv[1]), ["--max-steps", sys.argv[2]], sys.argv[3:]
killed = folder / "killed"

def kill_at(moment):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        if event in ("open", "os.rename", "os.remove") and str(killed) in str(arguments[0]):
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def run(*more, moment=None):
    child = os.fork()
    if child == 0:
        if moment is not None:
            kill_at(moment)
        main(["train", *args, *steps, *more])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

# In this process, so that its children have imported everything.
try: main(["train", *args, *steps, "--out", str(folder / "whole")])
except SystemExit as end: assert end.code == 0
for moment in map(int, os.environ["MOMENTS"].split()):
    code = run("--resume", "--out", str(killed), moment=moment)
    checkpoint = read_checkpoint(killed)
    # Unless it is flushed, the next child prints it, too.
    print(code, checkpoint.step if checkpoint else 0, flush=True)
assert run("--resume", "--out", str(killed)) == 0
"""
EARLY, LATE, NEVER = (4,), (20,), (10**6,)
"""Before the first checkpoint, between checkpoints, and a run that ends before it is killed."""


@pytest.mark.parametrize(
    "optimizer, moments",
    [
        ("adam", (*EARLY, *LATE, *NEVER)),
        pytest.param("muon", (31, *NEVER), marks=pytest.mark.slow),
    ],
    ids=["adam", "muon"],
)
def test_resume_is_exact_after_kills(tmp_path, optimizer, moments):
    total = 12
    args = [*TINY_RUN, "--set", "ema_decay=0.9", "--checkpoint-steps", "3"]
    args += ["--set", f"optimizer={optimizer}"]
    result = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path), str(total), *args],
        capture_output=True,
        text=True,
        # Threads of OpenMP do not survive a fork.
        env={**os.environ, "OMP_NUM_THREADS": "1", "MOMENTS": " ".join(map(str, moments))},
    )
    assert result.returncode == 0, result.stderr
    lines = [map(int, line.split()) for line in result.stdout.splitlines()]
    codes, steps = map(list, zip(*lines, strict=True))
    assert codes[0] == -signal.SIGKILL and codes[-1] == 0 and set(codes) == {0, -signal.SIGKILL}
    assert steps == sorted(steps)
    assert any(0 < step < total for step in steps), steps
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert (killed / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert state(killed) == state(whole)
    logged = steps_of(killed)
    assert logged == sorted(set(logged)) and logged[-1] == total
    left = {path.name for path in killed.iterdir() if not path.name.startswith(".")}
    assert left == {path.name for path in whole.iterdir() if not path.name.startswith(".")}
