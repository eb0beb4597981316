"""Datasets: what is read, how it becomes the model's input, and what is refused."""

import os
import socket
from pathlib import Path

import pytest
import torch

from drawzoo.data.binarized_mnist import read_amat
from drawzoo.data.images import Images, load_dataset
from drawzoo.disk.paths import data_root
from drawzoo.errors import DataError, UnknownNameError

REAL = os.environ.get("DRAWZOO_TEST_DATA")
NAMES = {"train": "train", "test": "t10k"}


def idx(tensor):
    """A tensor of bytes as an IDX file."""
    head = bytes([0, 0, 8, tensor.dim()])
    return head + b"".join(n.to_bytes(4, "big") for n in tensor.shape) + tensor.numpy().tobytes()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def line(error):
    """The message of an error, which must be one line."""
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


IDX = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
"""The datasets of IDX files, and the folder of each."""


@pytest.fixture(params=IDX)
def name(request):
    return request.param


@pytest.fixture
def root(tmp_path, name):
    """A small dataset of IDX files in torchvision's layout: its root."""
    raw = tmp_path / "data" / IDX[name] / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 20), ("t10k", 10)):
        images = torch.randint(256, (count, 28, 28), dtype=torch.uint8, generator=seeded(count))
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        labels = torch.arange(count, dtype=torch.uint8) % 10
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path / "data"


def file_of(root, name, split, kind):
    number = {"images": 3, "labels": 1}[kind]
    return root / IDX[name] / "raw" / f"{NAMES[split]}-{kind}-idx{number}-ubyte"


class TestIDX:
    @pytest.mark.parametrize("split, count", [("train", 20), ("test", 10)])
    def test_files_are_read(self, root, name, split, count):
        images = load_dataset(name, split, root, download=False)
        assert images.pixels.shape == (count, 1, 28, 28)
        assert images.pixels.dtype == torch.uint8
        raw = file_of(root, name, split, "images").read_bytes()
        assert images.pixels.numpy().tobytes() == raw[16:]
        assert images.labels.dtype == torch.int64
        assert images.labels.tolist() == [i % 10 for i in range(count)]
        assert images.binarize

    @pytest.mark.parametrize("download", [False, True])
    def test_missing(self, offline, tmp_path, capsys, name, download):
        with pytest.raises(DataError) as error:
            load_dataset(name, "train", tmp_path / "nowhere", download=download)
        assert all(word in line(error) for word in ("no train files", "--data", "DRAWZOO_DATA"))
        # Standard output is for data.
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("kind", ["images", "labels"])
    def test_one_file_missing(self, offline, root, name, kind):
        file_of(root, name, "test", kind).unlink()
        with pytest.raises(DataError, match="no test files"):
            load_dataset(name, "test", root)

    def test_files_of_the_other_split_missing(self, offline, root, name):
        for kind in ("images", "labels"):
            file_of(root, name, "test", kind).unlink()
        try:
            images = load_dataset(name, "train", root)
        except DataError as error:
            assert "damaged" not in str(error)
        else:
            assert len(images.pixels) == 20

    @pytest.mark.parametrize("kind", ["images", "labels"])
    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda raw: raw[:-5], id="truncated"),
            pytest.param(lambda raw: raw[:6], id="truncated-header"),
            pytest.param(lambda raw: b"", id="empty"),
            pytest.param(lambda raw: b"<html>No such file</html>" * 40, id="web-page"),
            pytest.param(lambda raw: bytes(range(256)) * 40, id="garbage"),
            pytest.param(lambda raw: b"\0\0\x0d" + raw[3:], id="floats"),
            pytest.param(lambda raw: raw[:4] + b"\xff\xff\xff\xff" + raw[8:], id="huge"),
        ],
    )
    def test_damaged(self, offline, root, name, kind, damage):
        path = file_of(root, name, "train", kind)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(DataError) as error:
            load_dataset(name, "train", root)
        assert "damaged" in line(error) and "delete" in line(error)

    def test_a_file_larger_than_the_published_one_is_not_read(self, offline, root, name):
        with file_of(root, name, "train", "images").open("r+b") as file:
            file.truncate(2**40)
        with pytest.raises(DataError) as error:
            load_dataset(name, "train", root)
        assert "damaged" in line(error) and "1,099,511,627,776 bytes" in line(error)

    def test_what_is_no_file_is_not_read(self, root, name):
        path = file_of(root, name, "train", "labels")
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(DataError) as error:
            load_dataset(name, "train", root, download=False)
        assert "a pipe" in line(error)

    @pytest.mark.parametrize(
        "kind, tensor",
        [
            ("labels", torch.zeros(19, dtype=torch.uint8)),
            ("labels", torch.zeros(21, dtype=torch.uint8)),
            ("images", torch.zeros(20, 32, 32, dtype=torch.uint8)),
        ],
    )
    def test_files_that_do_not_belong_together(self, root, name, kind, tensor):
        file_of(root, name, "train", kind).write_bytes(idx(tensor))
        with pytest.raises(DataError) as error:
            load_dataset(name, "train", root)
        assert "do not belong together" in line(error)

    def test_files_of_the_right_length_must_be_the_published_ones(self, root, name):
        images = torch.zeros(10_000, 28, 28, dtype=torch.uint8)
        file_of(root, name, "test", "images").write_bytes(idx(images))
        file_of(root, name, "test", "labels").write_bytes(idx(images[:, 0, 0]))
        with pytest.raises(DataError) as error:
            load_dataset(name, "test", root)
        assert "t10k-images-idx3-ubyte is damaged" in line(error) and "MD5" in line(error)


class TestBinarisation:
    grey = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).repeat(3, 1, 7, 1)

    def test_fresh_each_time_and_fixed_by_the_seed(self):
        images = Images(self.grey, None, binarize=True)
        index = torch.arange(3)
        generator = seeded()
        first, second = (images.batch(index, generator) for _ in range(2))
        assert not torch.equal(first, second)
        assert torch.equal(first, images.batch(index, seeded()))
        assert not torch.equal(images.batch(index), images.batch(index))
        assert first.dtype == torch.float32 and first.shape == self.grey.shape
        assert set(first.unique().tolist()) == {0.0, 1.0}

    def test_an_image_seen_twice_in_a_batch_is_sampled_twice(self):
        images = Images(self.grey, None, binarize=True)
        first, second = images.batch(torch.tensor([1, 1]), seeded())
        assert not torch.equal(first, second)

    def test_black_and_white_never_flip(self):
        ends = torch.tensor([0, 255], dtype=torch.uint8).repeat(1000, 1, 1, 50)
        batch = Images(ends, None, binarize=True).batch(torch.arange(1000), seeded())
        assert torch.equal(batch, ends.float() / 255)

    def test_mean_is_the_grey_value(self):
        images = Images(torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16), None, True)
        draws = images.batch(torch.zeros(4000, dtype=torch.int64), seeded())
        expected = torch.arange(256).view(1, 16, 16) / 255
        # Five standard deviations of the mean.
        error = (draws.mean(dim=0) - expected).abs()
        assert (error <= 5 * (expected * (1 - expected) / 4000).sqrt()).all()

    def test_without_it_grey_stays(self):
        batch = Images(self.grey, None, binarize=False).batch(torch.tensor([2, 0]))
        assert torch.equal(batch, self.grey[:2].float() / 255)

    def test_mean_image(self):
        pixels = torch.randint(256, (20_001, 1, 2, 3), dtype=torch.uint8, generator=seeded())
        expected = (pixels.double() / 255).mean(dim=0).float()
        torch.testing.assert_close(Images(pixels, None, True).mean(), expected)


class TestBinarizedMNIST:
    def rows(self, *first):
        """Whole lines of 784 pixels that begin as given, the rest 0."""
        return b"".join((row + b"0 " * (784 - len(row) // 2))[:-1] + b"\n" for row in first)

    def test_lines_are_read(self):
        images = read_amat(self.rows(b"1 0 1 ", b"0 1 "))
        assert images.dtype == torch.uint8 and images.shape == (2, 1, 28, 28)
        assert images.sum() == 3
        assert images[0, 0, 0, :4].tolist() == [1, 0, 1, 0]
        assert images[1, 0, 0, :4].tolist() == [0, 1, 0, 0]

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"0 1\n",
            b"0 " * 784 + b"0\n",
            pytest.param(b"2 " + b"0 " * 783, id="two"),
            pytest.param(b"- " + b"0 " * 783, id="below"),
            pytest.param(b"0," * 784, id="commas"),
            pytest.param(b"\0" * 1568, id="zero-bytes"),
        ],
    )
    def test_anything_else_is_refused(self, raw):
        with pytest.raises(ValueError):
            read_amat(raw)

    @pytest.mark.parametrize("split", ["train", "valid", "test"])
    def test_other_files_are_refused(self, tmp_path, split):
        folder = tmp_path / "binarized_mnist"
        folder.mkdir()
        (folder / f"binarized_mnist_{split}.amat").write_bytes(self.rows(b"1 "))
        with pytest.raises(DataError) as error:
            load_dataset("binarized-mnist", split, tmp_path)
        assert "SHA-256" in line(error) and "delete it" in line(error)

    def test_a_file_larger_than_the_published_one_is_not_read(self, tmp_path):
        folder = tmp_path / "binarized_mnist"
        folder.mkdir()
        with (folder / "binarized_mnist_test.amat").open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(DataError, match="1,099,511,627,776 bytes"):
            load_dataset("binarized-mnist", "test", tmp_path)

    @pytest.mark.parametrize("download", [False, True])
    def test_missing(self, offline, tmp_path, capsys, download):
        with pytest.raises(DataError) as error:
            load_dataset("binarized-mnist", "test", tmp_path / "nowhere", download=download)
        assert all(word in line(error) for word in ("--data", "DRAWZOO_DATA"))
        assert capsys.readouterr().out == ""


class TestSynthetic:
    @pytest.mark.parametrize("split, count", [("train", 2000), ("valid", 200), ("test", 200)])
    def test_the_same_each_time_without_a_file(self, tmp_path, split, count):
        first = load_dataset("synthetic", split, tmp_path)
        torch.manual_seed(1)
        second = load_dataset("synthetic", split, tmp_path)
        assert torch.equal(first.pixels, second.pixels)
        assert torch.equal(first.labels, second.labels)
        assert first.pixels.shape == (count, 1, 28, 28) and first.pixels.dtype == torch.uint8
        assert set(first.labels.tolist()) == set(range(10))
        assert first.binarize
        # Something is drawn in each, and no image is twice the same.
        assert (first.pixels.amax(dim=(1, 2, 3)) > 200).all()
        assert (first.pixels.amin(dim=(1, 2, 3)) < 50).all()
        assert len(first.pixels.flatten(1).unique(dim=0)) == count
        assert not any(tmp_path.glob("**/*.*"))

    def test_splits_share_no_image(self, tmp_path):
        splits = [
            load_dataset("synthetic", name, tmp_path).pixels.flatten(1)
            for name in ("train", "test")
        ]
        assert len(torch.cat(splits).unique(dim=0)) == 2200


class TestNames:
    def test_unknown_dataset(self):
        with pytest.raises(UnknownNameError) as error:
            load_dataset("mnits", "train", Path())
        assert "did you mean mnist" in line(error)

    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "binarized-mnist", "synthetic"])
    def test_unknown_split(self, name):
        with pytest.raises(DataError) as error:
            load_dataset(name, "tset", Path())
        assert "did you mean test" in line(error)


class TestRoot:
    def test_option_then_environment_then_cache(self, monkeypatch, tmp_path):
        monkeypatch.setenv("DRAWZOO_CACHE", str(tmp_path / "cache"))
        assert data_root() == tmp_path / "cache" / "data"
        monkeypatch.setenv("DRAWZOO_DATA", str(tmp_path / "environment"))
        assert data_root() == tmp_path / "environment"
        assert data_root(tmp_path / "option") == tmp_path / "option"
        monkeypatch.setenv("DRAWZOO_DATA", "")
        assert data_root() == tmp_path / "cache" / "data"

    def test_home_is_meant_by_a_tilde(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("DRAWZOO_DATA", "~/environment")
        assert data_root() == tmp_path / "environment"
        assert data_root(Path("~/option")) == tmp_path / "option"
        monkeypatch.setenv("DRAWZOO_CACHE", "~/cache")
        monkeypatch.delenv("DRAWZOO_DATA")
        assert data_root() == tmp_path / "cache" / "data"
        monkeypatch.delenv("DRAWZOO_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        assert data_root() == tmp_path / ".cache" / "drawzoo" / "data"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert data_root() == tmp_path / "xdg" / "drawzoo" / "data"


@pytest.mark.skipif(REAL is None, reason="DRAWZOO_TEST_DATA is not set")
class TestRealData:
    root = Path(REAL or "")

    @pytest.mark.parametrize("name, mean", [("mnist", 0.1307), ("fashion-mnist", 0.2860)])
    @pytest.mark.parametrize("split, count", [("train", 60_000), ("test", 10_000)])
    def test_idx(self, name, mean, split, count):
        images = load_dataset(name, split, self.root, download=False)
        assert images.pixels.shape == (count, 1, 28, 28)
        assert images.labels.shape == (count,)
        assert set(images.labels.tolist()) == set(range(10))
        if split == "train":
            assert images.mean().mean().item() == pytest.approx(mean, abs=1e-4)

    @pytest.mark.parametrize(
        "split, count", [("train", 50_000), ("valid", 10_000), ("test", 10_000)]
    )
    def test_binarized_mnist(self, split, count):
        images = load_dataset("binarized-mnist", split, self.root, download=False)
        assert images.pixels.shape == (count, 1, 28, 28)
        batch = images.batch(torch.arange(100))
        assert torch.equal(batch, images.batch(torch.arange(100)))
        assert set(batch.unique().tolist()) == {0.0, 1.0}
        # The digits are the same as MNIST's, and so is the ink.
        assert images.mean().mean().item() == pytest.approx(0.131, abs=0.003)


class TestMNISTSample:
    def test_it_is_there_without_files_or_network(self, offline, tmp_path):
        images = load_dataset("mnist-sample", "test", tmp_path)
        assert images.pixels.shape == (256, 1, 28, 28)
        assert images.labels.bincount(minlength=10).min() >= 10
        assert images.binarize

    @pytest.mark.skipif(REAL is None, reason="DRAWZOO_TEST_DATA is not set")
    def test_it_is_a_sample_of_the_test_split(self):
        sample = load_dataset("mnist-sample", "test", Path(REAL))
        whole = load_dataset("mnist", "test", Path(REAL), download=False).subset(256)
        assert torch.equal(sample.pixels, whole.pixels)
        assert torch.equal(sample.labels, whole.labels)

    def test_the_fixed_one(self, offline, tmp_path):
        images = load_dataset("binarized-mnist-sample", "test", tmp_path)
        assert images.pixels.shape == (256, 1, 28, 28)
        assert set(images.pixels.unique().tolist()) == {0, 255}

    @pytest.mark.skipif(REAL is None, reason="DRAWZOO_TEST_DATA is not set")
    def test_the_fixed_one_is_a_sample_of_the_test_split(self):
        sample = load_dataset("binarized-mnist-sample", "test", Path(REAL))
        whole = load_dataset("binarized-mnist", "test", Path(REAL), download=False).subset(256)
        assert torch.equal(sample.pixels, whole.pixels)
