"""Strangers' models: what is wrong with one is refused at once, in one line, in little memory."""

import json
import os
import pickle
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

import drawzoo
from drawzoo.engine.saving import write_model
from drawzoo.errors import DrawzooError, WeightsError
from drawzoo.registry.loader import installed
from drawzoo.schema.manifest import CONFIG, WEIGHTS
from drawzoo.store.sources import shipped
from drawzoo.store.validate import check_stranger

MEMORY = 300_000  # KiB
GIANT = 65_536


@pytest.fixture
def files(tiny, tmp_path):
    """The files of a good model."""
    folder = tmp_path / "good"
    folder.mkdir()
    model = drawzoo.build(tiny())
    write_model(folder, model.config, model.state_dict())
    return {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def config(change):
    """Changes the configuration's data."""

    def apply(files):
        data = json.loads(files[CONFIG])
        change(data)
        return files | {CONFIG: json.dumps(data).encode()}

    return apply


def text(change):
    """Changes the configuration's text."""
    return lambda files: files | {CONFIG: change(files[CONFIG])}


def tensors(change):
    """Changes the tensors."""

    def apply(files):
        found = load(files[WEIGHTS])
        change(found)
        return files | {WEIGHTS: save(found)}

    return apply


def header(change, body=None):
    """Changes the header of the weights."""

    def apply(files):
        raw = files[WEIGHTS]
        size = struct.unpack("<Q", raw[:8])[0]
        new = change(raw[8 : 8 + size])
        rest = raw[8 + size :] if body is None else body
        return files | {WEIGHTS: struct.pack("<Q", len(new)) + new + rest}

    return apply


def entry(**fields):
    """Changes what the header says of one tensor."""

    def change(raw):
        data = json.loads(raw)
        data["initial_canvas"] |= fields
        return json.dumps(data).encode()

    return header(change)


def twice(raw):
    data = json.loads(raw)
    again = json.dumps({"initial_canvas": data["initial_canvas"]}).encode()
    return json.dumps(data).encode()[:-1] + b"," + again[1:]


class Trap:
    def __reduce__(self):
        return os._exit, (66,)


def as_tensor(dtype):
    return tensors(lambda t: t.update({"initial_canvas": t["initial_canvas"].to(dtype)}))


HOSTILE = {
    # What is no configuration.
    "empty": text(lambda raw: b""),
    "cut": text(lambda raw: raw[: len(raw) // 2]),
    "binary": text(lambda raw: bytes(range(256)) * 100),
    "utf-16": text(lambda raw: raw.decode().encode("utf-16")),
    "long": text(lambda raw: raw + b" " * (2 << 20)),
    "deep list": text(lambda raw: b"[" * 500_000),
    "deep object": text(lambda raw: b'{"a":' * 200_000),
    "deep setting": text(
        lambda raw: raw.replace(b'"units": 5', b'"units": ' + b"[" * 900 + b"]" * 900)
    ),
    "same key twice": text(lambda raw: raw.replace(b"{", b'{"steps": 2,', 1)),
    "same key twice, inside": text(lambda raw: raw.replace(b'"units"', b'"units": 5, "units"', 1)),
    "same key twice, spelt otherwise": text(
        lambda raw: raw.replace(b"{", b'{"step\\u0073": 2,', 1)
    ),
    "NaN": text(lambda raw: raw.replace(b'"steps": 2', b'"steps": NaN')),
    "long number": text(lambda raw: raw.replace(b'"steps": 2', b'"steps": ' + b"9" * 100_000)),
    "many keys": config(lambda c: c.update({f"k{i}": i for i in range(50_000)})),
    "escape in a key": config(lambda c: c.update({"\x1b[2J\n": 1})),
    "escape in a name": config(lambda c: c["encoder"].update(name="\x1b[2J")),
    # What asks for too much.
    "giant image": config(lambda c: c.update(image=[GIANT] * 3)),
    "giant decoder": config(lambda c: c["decoder"]["config"].update(units=GIANT)),
    "giant encoder": config(lambda c: c["encoder"]["config"].update(units=GIANT)),
    "giant code": config(lambda c: c["latent"]["config"].update(size=GIANT)),
    "giant glimpse": config(lambda c: c["reader"]["config"].update(size=GIANT)),
    "no units": config(lambda c: c["encoder"]["config"].update(units=0)),
    "word for a setting": config(lambda c: c["encoder"]["config"].update(units="five")),
    "unknown setting": config(lambda c: c["encoder"]["config"].update(evil=1)),
    "setting of what has none": config(
        lambda c: c.update(reader={"name": "none", "config": {"a": 1}})
    ),
    "unbounded": config(lambda c: c["decoder"]["config"].update(units=10**18)),
    "negative": config(lambda c: c["decoder"]["config"].update(units=-1)),
    # What is to be found elsewhere.
    "path for a component": config(lambda c: c["encoder"].update(name="../../evil")),
    "module for a component": config(lambda c: c["encoder"].update(name="os:system")),
    "plugin that is not installed": config(lambda c: c["encoder"].update(plugin="evil", name="e")),
    "address for a plugin": config(lambda c: c["encoder"].update(plugin="git+https://evil.org/e")),
    "pickle for a configuration": text(lambda raw: pickle.dumps(Trap())),
    # What are no weights.
    "no weights": lambda files: files | {WEIGHTS: b""},
    "pickle for weights": lambda files: files | {WEIGHTS: pickle.dumps({"a": Trap()})},
    "cut weights": lambda files: files | {WEIGHTS: files[WEIGHTS][:-1]},
    "longer weights": lambda files: files | {WEIGHTS: files[WEIGHTS] + b"\0"},
    "header longer than the file": lambda files: files | {WEIGHTS: b"\xff" * 7 + b"\0" + b"{}"},
    "giant header": lambda files: files | {WEIGHTS: struct.pack("<Q", 99_000_000) + b"{" * 1000},
    "deep header": header(lambda raw: b'{"a":' * 100_000),
    "header is a list": header(lambda raw: b"[]"),
    "empty header": header(lambda raw: b"{}", b""),
    "same tensor twice": header(twice),
    "shape that overflows": entry(shape=[2**62, 2**62]),
    "shape beyond 64 bits": entry(shape=[2**70]),
    "negative shape": entry(shape=[-4]),
    "other shape": entry(shape=[2, 2]),
    "unknown dtype": entry(dtype="F31"),
    "integer dtype": entry(dtype="I32"),
    "overlap": entry(data_offsets=[0, 16]),
    "backwards": entry(data_offsets=[16, 0]),
    "beyond the end": entry(data_offsets=[10**9, 10**9 + 16]),
    "promises 100 GB": header(
        lambda raw: b'{"x":{"dtype":"F32","shape":[25000000000],"data_offsets":[0,100000000000]}}',
        b"",
    ),
    # Tensors that do not fit.
    "not a number": tensors(lambda t: t["initial_canvas"].fill_(torch.nan)),
    "infinite": tensors(lambda t: t["initial_canvas"].fill_(torch.inf)),
    "half": as_tensor(torch.float16),
    "double": as_tensor(torch.float64),
    "bytes": as_tensor(torch.uint8),
    "missing": tensors(lambda t: t.pop("initial_canvas")),
    "unexpected": tensors(lambda t: t.update({"../../evil": torch.zeros(1)})),
    "escape in a tensor's name": tensors(lambda t: t.update({"\x1b[2J\n": torch.zeros(1)})),
    "many": tensors(lambda t: t.update({f"t{i}": torch.zeros(1) for i in range(5_000)})),
}


def refused(name):
    """The line with which a model is refused, quickly and in little memory."""
    resource = pytest.importorskip("resource")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with pytest.raises(DrawzooError) as error:
        drawzoo.load(name)
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEMORY
    line = str(error.value)
    assert line.isprintable() and len(line) < 1_000
    return line


@pytest.mark.parametrize("case", HOSTILE)
def test_folder(files, tmp_path, case):
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name, raw in HOSTILE[case](files).items():
        (folder / name).write_bytes(raw)
    refused(f"local-dir:{folder}")


@pytest.mark.parametrize("case", HOSTILE)
def test_repository(files, loopback, case):
    commit = loopback.commit("a/b", HOSTILE[case](files))
    refused(f"hf-hub:a/b@{commit}")


def test_good_model_is_read(files, tmp_path, loopback):
    """The cases fail for what is wrong in them and for nothing else."""
    commit = loopback.commit("a/b", files)
    drawzoo.load(f"hf-hub:a/b@{commit}")
    for change in (text(bytes), config(len), tensors(len), header(bytes), entry()):
        for name, raw in change(files).items():
            (tmp_path / name).write_bytes(raw)
        drawzoo.load(f"local-dir:{tmp_path}")


def test_sparse_file_of_the_size_asked_for(files, tmp_path):
    """The header agrees with the configuration, and the file is as long as it says."""
    shape, count = [250_000, 1_000], 4 * 250_000 * 1_000
    raw = json.dumps({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, count]}}).encode()
    (tmp_path / CONFIG).write_bytes(files[CONFIG])
    with (tmp_path / WEIGHTS).open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + count)
    assert "does not fit" in refused(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/tty", "/etc/passwd", "../good/config.json"])
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_link_out_of_the_folder(files, tmp_path, name, target):
    folder = tmp_path / "hostile"
    folder.mkdir()
    for file, raw in files.items():
        (folder / file).write_bytes(raw)
    (folder / name).unlink()
    (folder / name).symlink_to(target)
    assert "link out of the folder" in refused(f"local-dir:{folder}")


def test_link_within_the_folder(files, tmp_path):
    (tmp_path / "blob").write_bytes(files[WEIGHTS])
    (tmp_path / CONFIG).write_bytes(files[CONFIG])
    (tmp_path / WEIGHTS).symlink_to("blob")
    drawzoo.load(f"local-dir:{tmp_path}")


def test_link_to_itself(files, tmp_path):
    (tmp_path / CONFIG).symlink_to(CONFIG)
    refused(f"local-dir:{tmp_path}")


# Only the component itself knows which tensors follow from its settings.
SEEN_WHEN_BUILT = {"giant encoder", "giant decoder", "giant code", "giant glimpse"}


@pytest.mark.parametrize("case", sorted(HOSTILE.keys() - SEEN_WHEN_BUILT))
def test_torch_is_not_needed_to_refuse(files, tmp_path, case):
    for name, raw in HOSTILE[case](files).items():
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(DrawzooError):
        check_stranger(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("encoder.lstm.gates.bias"),
        lambda t: t.update(
            {"encoder.lstm.gates.weight": t["encoder.lstm.gates.weight"].T.contiguous()}
        ),
        lambda t: t.update({"writer.more": torch.zeros(1)}),
    ],
    ids=["missing", "transposed", "one more"],
)
def test_what_has_the_make_of_a_model_that_ships_has_its_tensors(tmp_path, change):
    """Without torch: the header of the one that ships says which they are."""
    good = {name: (shipped("draw-mnist") / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    for name, raw in good.items():
        (tmp_path / name).write_bytes(raw)
    check_stranger(tmp_path)
    for name, raw in tensors(change)(good).items():
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(WeightsError, match=f"does not fit {CONFIG}: "):
        check_stranger(tmp_path)


def test_models_of_other_plugins_are_not_asked(tmp_path, monkeypatch):
    """One that ships may need what is disabled: a stranger's model is none the worse for it."""
    for name in (CONFIG, WEIGHTS):
        (tmp_path / name).write_bytes((shipped("draw-mnist") / name).read_bytes())
    monkeypatch.setenv("DRAWZOO_LOAD_PLUGINS", "draw")
    installed.cache_clear()
    try:
        check_stranger(tmp_path)
    finally:
        installed.cache_clear()


# A child's `ru_maxrss` begins with its parent's; the high-water mark of its own memory does not.
CHILD = (
    "import pathlib, sys, time\n"
    "from drawzoo.cli import main\n"
    "try:\n"
    "    main(sys.argv[1:])\n"
    "finally:\n"
    "    status = pathlib.Path('/proc/self/status').read_text()\n"
    "    peak = status.partition('VmHWM:')[2].split()[0]\n"
    "    print('torch' in sys.modules, peak, time.process_time())\n"
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    "command, case",
    [
        (["info"], "deep object"),
        (["sample", "--out", "x.png"], "not a number"),
        (["sample", "--out", "x.png"], "other shape"),
        (["evaluate"], "promises 100 GB"),
        (["analyze", "kernels"], "giant image"),
        (["encode"], "unknown setting"),
        (["pull"], "pickle for weights"),
        (["pull"], "giant image"),
    ],
)
def test_command(files, loopback, tmp_path, command, case):
    """As a user meets it: a process of its own, one line, little time, little memory."""
    bad = HOSTILE[case](files)
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name, raw in bad.items():
        (folder / name).write_bytes(raw)
    commit = loopback.commit("a/b", bad)
    where = f"hf-hub:a/b@{commit}" if command == ["pull"] else f"local-dir:{folder}"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *command, where],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (3, 5, 6)
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    torch_there, memory, seconds = done.stdout.split()
    assert torch_there == "False"
    assert int(memory) < MEMORY and float(seconds) < 5
    assert not (tmp_path / "x.png").exists()
