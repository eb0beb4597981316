"""A thousand bad inputs: each is refused in one clear line, and leaves nothing behind.

Most are made from good ones by small changes. Each family also runs its good one, so that no
refusal is of something else. What a line says is tested where the thing itself is.
"""

import io
import json
import os
import random
import shutil
import struct

import numpy as np
import pytest
import torch
from bad_input import (
    COMMANDS,
    COUNTS,
    NAMES,
    OPTIONS,
    SETTINGS,
    VALUES,
    changed,
    changed_header,
    damaged,
    without,
)
from PIL import Image
from safetensors.torch import save_file

from drawzoo.store import published as published_store


def state(folder):
    """All files below a folder."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def refused(invoke, tmp_path, monkeypatch):
    """Runs a command that must be refused and write nothing; gives its line."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def call(*args):
        before = state(tmp_path)
        code, out, err = invoke(*args)
        said = f"{args!r:.300}: exit {code}, {err!r}"
        assert code not in (0, None) and out == "", said
        *notes, line = err.splitlines()
        assert all(note.startswith("Note: ") for note in notes), said
        assert line.startswith("Error: ") and len(line) <= 300 and line.isprintable(), said
        assert "unexpected" not in line, said
        assert not any(here.iterdir()) and state(tmp_path) == before, said
        return line

    return call


class TestArguments:
    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:40])
    def test_names(self, refused, name):
        for command in COMMANDS:
            refused(*(name if part == "{}" else part for part in command.split()))

    @pytest.mark.parametrize("key", SETTINGS + COUNTS)
    def test_settings(self, refused, data, key):
        for value in VALUES:
            args = ("--set", "latent.size=2", "--set", f"{key}={value}")
            refused("train", "draw-t1-mnist", "--data", data, "--out", "run", *args)

    @pytest.mark.parametrize("command, value", OPTIONS, ids=lambda text: ascii(text)[1:41])
    def test_options(self, refused, model, trained, data, command, value):
        names = {"{}": model, "{data}": data, "{run}": trained}
        refused(*(names.get(part, part) for part in command.split()), value)

    @pytest.mark.parametrize(
        "command",
        [
            *("train draw-mnist --out", "train draw-mnist --out r --data", "train --out r"),
            *("sample --out", "sample --gif", "sample", "evaluate draw-mnist --dataset"),
            *("pull draw-mnist --cache-dir", "plot", "new-plugin", "new-plugin x --to", "list", ""),
        ],
    )
    def test_empty_ones(self, refused, command):
        refused(*command.split(), "")
        if "--" in command:
            refused(*command.split()[:-1], f"{command.split()[-1]}=")

    def test_the_good_ones_are_taken(self, invoke, model, trained, data, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert invoke("sample", model, "--num", 1, "--steps", 1, "--gif", "a.gif")[0] == 0
        assert invoke("evaluate", model, "--data", data, "--images", 300)[0] == 0
        assert invoke("encode", model, "--num", 256)[0] == 0
        assert invoke("reconstruct", model, 255)[0] == 0
        assert invoke("plot", trained, "--against", "minutes")[0] == 0
        train = ("train", "draw-t1-mnist", "--data", data, "--max-steps", 1, "--seeds", "0,7")
        small = ("--set", "latent.size=2", "--set", "batch_size=10")
        assert invoke(*train, *small, "--out", "run")[0] == 0


class TestEnvironment:
    @pytest.mark.parametrize("place", ["/dev/null", "/proc/nothing", "~no-such-user/x", "file"])
    @pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist", "binarized-mnist", "cifar10"])
    def test_data(self, refused, model, tmp_path, monkeypatch, place, dataset):
        (tmp_path / "file").touch()
        place = str(tmp_path / "file") if place == "file" else place
        monkeypatch.setenv("DRAWZOO_DATA", place)
        refused("evaluate", model, "--dataset", dataset)
        monkeypatch.delenv("DRAWZOO_DATA")
        monkeypatch.setenv("DRAWZOO_CACHE", place)
        refused("evaluate", model, "--dataset", dataset)

    @pytest.mark.parametrize("name", ["HF_HOME", "HF_HUB_CACHE"])
    def test_cache_of_the_hub(self, refused, models, tmp_path, monkeypatch, name):
        (tmp_path / "file").touch()
        monkeypatch.setenv(name, str(tmp_path / "file"))
        refused("sample", "hf-hub:user/draw-mnist")
        refused("pull", "draw-mnist", "--from", "hub")


class TestModels:
    @pytest.fixture
    def folder(self, trained, tmp_path, invoke):
        folder = tmp_path / "model"
        folder.mkdir()
        for name in ("config.json", "model.safetensors"):
            shutil.copy(trained / name, folder / name)
        good = ("sample", f"local-dir:{folder}", "--num", 1, "--out", tmp_path / "good.png")
        assert invoke(*good)[0] == 0
        return folder

    @pytest.mark.parametrize("seed", range(10))
    def test_configurations(self, refused, folder, seed):
        path, chance = folder / "config.json", random.Random(seed)
        good = json.loads(path.read_bytes())
        for _ in range(10):
            path.write_bytes(changed(good, chance))
            refused("sample", f"local-dir:{folder}")

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_damaged(self, refused, folder, name):
        path = folder / name
        # Without the newline at its end, JSON is as good as with it.
        raw, chance = path.read_bytes().rstrip(b"\n"), random.Random(name)
        bytes_less = without(raw, chance, 30) if name == "model.safetensors" else ()
        for bad in [*damaged(raw, chance, 60), *bytes_less]:
            path.write_bytes(bad)
            refused("sample", f"local-dir:{folder}")

    def test_headers(self, refused, folder):
        path, chance = folder / "model.safetensors", random.Random(0)
        raw = path.read_bytes()
        for _ in range(60):
            path.write_bytes(changed_header(raw, chance))
            refused("sample", f"local-dir:{folder}")
        for size in (0, 1, 7, 2**31, 2**40, 2**63, 2**64 - 1):
            path.write_bytes(struct.pack("<Q", size) + raw[8:])
            refused("sample", f"local-dir:{folder}")

    def test_manifests(self, refused, models, tmp_path):
        path, chance = tmp_path / "manifest.json", random.Random(0)
        good = json.loads(path.read_bytes())
        for entry in good["models"].values():
            # What a figure may hold is its protocol's, and read when it is shown.
            entry["figures"] = []
        raw = json.dumps(good).encode()
        bad = [b"", b"[]", b"{", b"\xff" * 99, *damaged(raw, chance, 20)]
        bad += [changed(good, chance) for _ in range(20)]
        for content in bad:
            path.write_bytes(content)
            for args in (("info", "draw-mnist"), ("verify",), ("sample", "draw-mnist")):
                published_store.read.cache_clear()
                refused(*args)


class TestFiles:
    def test_codes(self, refused, invoke, model, tmp_path):
        path, chance = tmp_path / "codes.safetensors", random.Random(0)
        save_file({"z": torch.zeros(1, 2, 2)}, path)
        assert invoke("decode", model, path, "--out", tmp_path / "good.png")[0] == 0
        raw = path.read_bytes()
        bad = [*damaged(raw, chance, 30), *without(raw, chance, 20)]
        for content in [*bad, *(changed_header(raw, chance) for _ in range(20))]:
            path.write_bytes(content)
            refused("decode", model, path)
        shapes = [(), (1,), (1, 2), (0, 2, 2), (1, 0, 2), (1, 2, 3), (1, 2, 2, 1), (4_097, 1, 2)]
        tensors = [
            *(torch.zeros(shape) for shape in shapes),
            *(
                torch.full((1, 2, 2), bad, dtype=torch.float64)
                for bad in (torch.nan, torch.inf, 1e300)
            ),
            *(torch.zeros(1, 2, 2, dtype=d) for d in (torch.int64, torch.bool, torch.complex64)),
        ]
        for tensors_in_file in [*({"z": z} for z in tensors), {"y": torch.zeros(1, 2, 2)}]:
            save_file(tensors_in_file, path)
            refused("decode", model, path)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
    def test_images(self, refused, model, tmp_path, kind):
        path, chance = tmp_path / f"image.{kind.lower()}", random.Random(kind)
        stream = io.BytesIO()
        Image.new("L", (30, 30), 200).save(stream, kind)
        raw = stream.getvalue()
        noise = [chance.randbytes(chance.randrange(300)) for _ in range(6)]
        for bad in [*(raw[: len(raw) * i // 12] for i in range(6)), *noise]:
            path.write_bytes(bad)
            refused("reconstruct", model, path)

    def test_checkpoints(self, refused, trained, tmp_path):
        folder, chance = tmp_path / "run", random.Random(0)
        shutil.copytree(trained, folder)
        path = folder / "checkpoint.safetensors"
        raw = path.read_bytes()
        bad = [*damaged(raw, chance, 30), *without(raw, chance, 20)]
        for content in [*bad, *(changed_header(raw, chance) for _ in range(30))]:
            path.write_bytes(content)
            refused("train", "draw-mnist", "--out", folder, "--resume")
            refused("plot", folder)

    def test_logs(self, refused, trained, tmp_path):
        folder, chance = tmp_path / "run", random.Random(0)
        shutil.copytree(trained, folder)
        path = folder / "log.jsonl"
        first, *rest = path.read_text().splitlines()
        record = json.loads(first)
        records = []
        for key in ("epoch", "nats", "images_per_s"):
            records += [{k: v for k, v in record.items() if k != key}]
            records += [record | {key: bad} for bad in (None, "x", [], {}, [1])]
        records += [record | {"valid_nats": bad} for bad in ("x", [], {}, [1])]
        lines = ["[]", "0", "null", "x", first[:-9], *map(json.dumps, records)]
        for bad in ["", *("\n".join([line, *rest]) + "\n" for line in lines)]:
            path.write_text(bad)
            refused("plot", folder)
        for _ in range(10):
            path.write_bytes(chance.randbytes(300) + b"\n")
            refused("plot", folder)

    def test_shards(self, refused, model, tmp_path, invoke):
        folder, chance = tmp_path / "shards", random.Random(0)
        assert invoke("sample", model, "--num", 20, "--out", folder)[0] == 0
        index = folder / "index.json"
        good = json.loads(index.read_bytes())
        for bad in [*(changed(good, chance) for _ in range(20)), b"", b"[]", b"{", b"\xff" * 99]:
            index.write_bytes(bad)
            refused("sample", model, "--num", 20, "--out", folder)


class TestData:
    def check(self, refused, invoke, model, dataset, root, path, bad):
        """Each of the bad contents of a file is refused as the dataset's, the good one is not."""
        good = path.read_bytes()
        args = ("evaluate", model, "--dataset", dataset, "--data", root)
        for content in bad(good):
            path.write_bytes(content)
            assert f"{dataset}: " in refused(*args)
        path.write_bytes(good)
        code, _, err = invoke(*args)
        # Images of another size do not fit the model.
        assert code == 0 or "takes images of shape" in err, err

    @pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
    def test_mnist(self, refused, invoke, model, data, tmp_path, name):
        root = tmp_path / "data"
        shutil.copytree(data, root)

        def bad(good):
            yield from (good[:at] + bytes([255]) + good[at + 1 :] for at in range(8))
            yield from (good[: len(good) * i // 10] for i in range(10))
            yield good + b"x"

        self.check(refused, invoke, model, "mnist", root, root / "MNIST/raw" / name, bad)

    def test_cifar10(self, refused, invoke, model, tmp_path):
        path = tmp_path / "data/cifar-10-batches-bin/test_batch.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(3_073 * 5))

        def bad(good):
            yield from (b"", b"x", good[:-1], good + b"x", b"\xff" + good[1:], good * 2_001)

        self.check(refused, invoke, model, "cifar10", tmp_path / "data", path, bad)

    def test_folder(self, refused, invoke, model, tmp_path):
        path, chance = tmp_path / "data/image.png", random.Random(0)
        path.parent.mkdir()
        stream = io.BytesIO()
        Image.fromarray(np.eye(30, dtype=np.uint8)[4:-4] * 200).save(stream, "PNG")
        raw = stream.getvalue()
        for bad in [*(raw[: len(raw) * i // 10] for i in range(6)), chance.randbytes(300)]:
            path.write_bytes(bad)
            refused("evaluate", model, "--split", "train", "--data", f"folder:{path.parent}")

    def test_svhn(self, refused, invoke, model, tmp_path):
        io = pytest.importorskip("scipy.io")
        path, chance = tmp_path / "data/svhn/test_32x32.mat", random.Random(0)
        path.parent.mkdir(parents=True)

        def file(x=(32, 32, 3, 4), y=(4, 1), label=1, kind=np.uint8, name="X", **options):
            io.savemat(path, {name: np.zeros(x, kind), "y": np.full(y, label, np.uint8)}, **options)
            return path.read_bytes()

        wrong = [
            *(file(x=(28, 32, 3, 4)), file(x=(32, 32, 4)), file(x=(32, 32, 3, 0), y=(0, 1))),
            *(file(y=(3, 1)), file(label=0), file(label=11), file(kind=np.float64), file(name="Z")),
        ]
        file(do_compression=True)

        def bad(good):
            yield from (good[: len(good) * i // 12] for i in range(12))
            yield from (chance.randbytes(chance.randrange(1, 300)) for _ in range(10))
            yield from wrong

        self.check(refused, invoke, model, "svhn", tmp_path / "data", path, bad)

    def test_svhn54(self, refused, invoke, model, tmp_path):
        h5py, chance = pytest.importorskip("h5py"), random.Random(0)
        path = tmp_path / "data/svhn/test/digitStruct.mat"
        path.parent.mkdir(parents=True)
        with h5py.File(path, "w") as new:
            new["digitStruct/name"] = new["digitStruct/bbox"] = np.zeros((1, 1))

        raw = path.read_bytes()
        bad = [raw, *(raw[: len(raw) * i // 10] for i in range(10))]
        bad += [chance.randbytes(chance.randrange(1, 300)) for _ in range(10)]
        for content in bad:
            path.write_bytes(content)
            args = ("--dataset", "svhn54", "--data", tmp_path / "data")
            assert path.name in refused("evaluate", model, *args)


def test_a_name_of_a_file_is_not_taken_for_bytes(refused, model, tmp_path):
    path = os.fsdecode(b"\xff\xfe.png")
    refused("reconstruct", model, path)
    refused("sample", model, "--out", tmp_path / "nowhere" / path)
