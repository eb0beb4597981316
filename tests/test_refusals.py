"""Bad names, settings and missing files are refused before the seconds that torch takes."""

import json
import subprocess
import sys

import pytest

# One process for all lines, since most of the time that a process takes is its start.
CODE = """
import contextlib, io, json, sys
from drawzoo.cli import main
found = []
for line in json.load(sys.stdin):
    before = 'torch' in sys.modules
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(line.split())
        except SystemExit as exit:
            code = exit.code
    found.append([code, err.getvalue(), not before and 'torch' in sys.modules])
json.dump(found, sys.stdout)
"""

REFUSED = [
    ("train nope --out x", 4),
    ("train draw-mnist --out x --set steps=0", 3),
    ("train draw-mnist --out x --set encoder.units=0", 3),
    ("train draw-mnist --out x --set encoder.unit=1", 3),
    ("train draw-mnist --out x --set learning_rate=-1", 3),
    ("train draw-mnist --out x --set nothing=1", 3),
    ("train draw-mnist --out x --set dataset=nope", 4),
    ("train draw-mnist --out x --set encoder.name=nope", 4),
    ("train bad.json --out x", 3),
    ("train missing.json --out x", 3),
    ("train --out x", 2),
    ("train --resume --out x", 2),
    ("sample nope", 4),
    ("sample nope --out shards", 4),
    ("sample local-dir:missing", 6),
    ("decode nope missing", 5),
    ("decode draw-mnist missing", 5),
    ("decode draw-mnist .", 5),
    ("encode nope", 4),
    ("encode draw-mnist missing.png", 5),
    ("encode draw-mnist --dataset nope", 4),
    ("reconstruct nope 0", 4),
    ("reconstruct draw-mnist missing.png", 5),
    ("reconstruct draw-mnist 0 --dataset nope", 4),
    ("evaluate nope", 4),
    ("evaluate draw-mnist nope", 4),
    ("evaluate draw-mnist --dataset nope", 4),
    ("evaluate draw-mnist --against nope", 4),
    ("analyze steps nope", 4),
    ("analyze steps draw-mnist missing.png", 5),
    ("analyze steps draw-mnist --dataset nope", 4),
    ("analyze interpolate nope", 4),
    ("analyze interpolate draw-mnist 0 missing.png", 5),
    ("analyze interpolate draw-mnist 0 one --seeds", 2),
    ("analyze attention nope", 4),
    ("analyze attention draw-mnist missing.png", 5),
    ("analyze attention draw-mnist --dataset nope", 4),
    ("analyze kernels draw-mnist nope", 4),
    ("analyze parameters draw-mnist nope", 4),
    ("bench train nope", 4),
    ("bench evaluate nope", 4),
    ("bench sample draw-mnist --set steps=0", 3),
    ("bench scaling draw-mnist --set encoder.units=0", 3),
    ("card nope --cards .", 4),
    ("card empty --cards .", 9),
    ("publish nope --repo user/nope", 6),
    ("pull nope", 4),
    ("verify nope", 4),
    ("info nope", 4),
    ("list nope", 4),
    ("new-plugin Not-A-Name", 3),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """Line → exit code, what is said, whether torch was imported for it, and what is then there."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "bad.json").write_text("{")
    (folder / "empty").mkdir()
    lines = [line for line, _ in REFUSED]
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["bad.json", "empty"]
    return dict(zip(lines, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("line, code", REFUSED, ids=[line for line, _ in REFUSED])
def test_refused_without_torch(refused, line, code):
    found, said, torch = refused[line]
    assert said.splitlines()[-1].startswith("Error: ")
    assert (found, torch) == (code, False)
