"""Drawings in shards: the same whatever is asked for and however often it is interrupted."""

import io
import tarfile

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from drawzoo.engine.world import World
from drawzoo.errors import ConfigError
from drawzoo.store import shards
from drawzoo.store.shards import write_shards


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 200)


@pytest.fixture
def model(double):
    return double().float()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_hold_the_drawings_of_the_seed(model, tmp_path):
    write_shards(model, tmp_path / "a", 450, seed=3)
    found = [load_file(tmp_path / "a" / f"{i:06}.safetensors")["images"] for i in range(3)]
    assert [len(images) for images in found] == [200, 200, 50]
    expected = model.sample(450, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.cat(found), (255 * expected).round().to(torch.uint8))


def test_png_in_tar(model, tmp_path):
    write_shards(model, tmp_path / "a", 250, seed=3, format="png")
    expected = model.sample(250, generator=torch.Generator().manual_seed(3))
    with tarfile.open(tmp_path / "a" / "000001.tar") as tar:
        assert tar.getnames()[0] == "000000200.png"
        picture = Image.open(io.BytesIO(tar.extractfile("000000249.png").read()))
    pixels = torch.tensor(list(picture.tobytes())).view(6, 5)
    assert torch.equal(pixels, (255 * expected[249, 0]).round().long())


@pytest.mark.parametrize("format", ["safetensors", "png"])
def test_go_on_after_an_interruption_or_to_a_larger_number(model, tmp_path, format):
    write_shards(model, tmp_path / "whole", 700, format=format)
    write_shards(model, tmp_path / "parts", 250, format=format)
    first = sorted((tmp_path / "parts").glob("000000.*"))[0]
    kept = first.stat().st_mtime_ns
    sorted((tmp_path / "parts").glob("000001.*"))[0].unlink()
    write_shards(model, tmp_path / "parts", 700, format=format)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert first.stat().st_mtime_ns == kept


def test_do_not_depend_on_the_number_of_processes(model, tmp_path):
    write_shards(model, tmp_path / "one", 900)
    # Without a group there is nobody to wait for.
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "index.json").write_bytes((tmp_path / "one/index.json").read_bytes())
    for rank in range(3):

        class Apart(World):
            def any(self, flag, device="cpu"):
                return flag

        write_shards(model, tmp_path / "three", 900, world=Apart(rank, 3))
    assert contents(tmp_path / "three") == contents(tmp_path / "one")


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 1}, {"format": "png"}])
def test_do_not_mix(model, tmp_path, change):
    write_shards(model, tmp_path / "a", 10)
    with pytest.raises(ConfigError, match="holds other drawings"):
        write_shards(model, tmp_path / "a", 10, **change)


def test_other_weights_do_not_mix(model, double, tmp_path):
    write_shards(model, tmp_path / "a", 10)
    with pytest.raises(ConfigError, match="holds other drawings"):
        write_shards(double(scale=0.1).float(), tmp_path / "a", 10)


def shards_of(folder):
    return sorted(path for path in folder.iterdir() if path.name != "index.json")


DAMAGES = {
    "empty": lambda raw: b"",
    "no shard": lambda raw: b"something else",
    "short": lambda raw: raw[: len(raw) // 2],
    "header": lambda raw: b"\xff" * 600 + raw[600:],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("format", ["safetensors", "png"])
def test_a_damaged_one_is_drawn_anew_and_named(model, tmp_path, format, damage):
    write_shards(model, tmp_path, 450, format=format)
    whole, path = contents(tmp_path), shards_of(tmp_path)[1]
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match=rf"^{path} .*drawn anew$") as said:
        write_shards(model, tmp_path, 450, format=format)
    assert len(said) == 1
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("format", ["safetensors", "png"])
def test_one_of_other_drawings_is_drawn_anew_and_named(model, double, tmp_path, format):
    write_shards(model, tmp_path / "a", 450, format=format)
    write_shards(double(scale=0.1).float(), tmp_path / "b", 450, format=format)
    whole, path = contents(tmp_path / "a"), shards_of(tmp_path / "a")[0]
    # Of another model; another one of the same.
    for other in (shards_of(tmp_path / "b")[0], shards_of(tmp_path / "a")[1]):
        path.write_bytes(other.read_bytes())
        with pytest.warns(UserWarning, match=rf"^{path} holds other drawings; it is drawn anew$"):
            write_shards(model, tmp_path / "a", 450, format=format)
        assert contents(tmp_path / "a") == whole


@pytest.mark.parametrize("format", ["safetensors", "png"])
@pytest.mark.parametrize("change", ["seed", "steps", "weights"])
def test_without_an_index_others_are_never_taken_nor_replaced(
    model, double, tmp_path, format, change
):
    write_shards(model, tmp_path, 10, format=format)
    (tmp_path / "index.json").unlink()
    before = contents(tmp_path)
    other = double(scale=0.1).float() if change == "weights" else model
    changes = {} if change == "weights" else {change: 1}
    with pytest.raises(ConfigError, match="holds other drawings"):
        write_shards(other, tmp_path, 10, format=format, **changes)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("format", ["safetensors", "png"])
def test_a_lost_index_is_written_again(model, tmp_path, format):
    write_shards(model, tmp_path, 450, format=format)
    whole = contents(tmp_path)
    (tmp_path / "index.json").unlink()
    write_shards(model, tmp_path, 450, format=format)
    assert contents(tmp_path) == whole


def test_something_else_in_the_place_of_one_is_never_replaced(model, tmp_path):
    (tmp_path / "000000.safetensors").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="is damaged .* remove it"):
        write_shards(model, tmp_path, 10)
    assert contents(tmp_path) == {"000000.safetensors": b"mine"}


class TestCommand:
    def test_a_folder_gets_shards(self, models, run, tmp_path):
        out = tmp_path / "drawings"
        code, _, err = run("sample", "draw-mnist", "--num", 250, "--out", out)
        assert (code, err.splitlines()[-1]) == (0, f"250 drawings in {out}")
        assert len(list(out.iterdir())) == 3
        assert run("sample", "draw-mnist", "--num", 250, "--out", out, "--seed", 1)[0] == 3

    def test_a_picture_has_its_limit(self, models, run, tmp_path):
        code, _, err = run("sample", "draw-mnist", "--num", 20_000, "--out", tmp_path / "a.png")
        assert code == 2
        assert "folder" in err
