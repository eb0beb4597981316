"""Data files that are something else: one line each, whatever the command, and nothing is run."""

import os
import pickle
import socket
import tarfile

import numpy as np
import pytest

from drawzoo.errors import DataError

FILES = {
    "mnist": ("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"),
    "fashion-mnist": (
        "FashionMNIST/raw/train-images-idx3-ubyte",
        "FashionMNIST/raw/train-labels-idx1-ubyte",
    ),
    "multi-mnist": ("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"),
    "cluttered-mnist": ("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"),
    "binarized-mnist": ("binarized_mnist/binarized_mnist_train.amat",),
    "svhn": ("svhn/train_32x32.mat",),
    "svhn-10k": ("svhn/test_32x32.mat",),
    "cifar10": tuple(f"cifar-10-batches-bin/data_batch_{n}.bin" for n in range(1, 6)),
}
MODELS = {
    "mnist": "draw-mnist",
    "fashion-mnist": "draw-fashion-mnist",
    "multi-mnist": "draw-multi-mnist",
    "cluttered-mnist": "classifier-cluttered-mnist",
    "binarized-mnist": "draw-binarized-mnist",
    "svhn": "draw-svhn",
    "svhn-10k": "draw-svhn-10k",
    "cifar10": "draw-cifar10",
}


class Hostile:
    """What a pickle does when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def page(path, _):
    path.write_bytes(b"<html><body>moved</body></html>" * 200)


def empty(path, _):
    path.touch()


def zeros(path, _):
    path.write_bytes(bytes(50_000))


def folder(path, _):
    path.mkdir()


def pipe(path, _):
    os.mkfifo(path)


def loop(path, _):
    path.symlink_to(path)


def sparse(path, _):
    with path.open("wb") as file:
        file.truncate(2**41)


def pickled(path, mark):
    path.write_bytes(pickle.dumps({b"data": Hostile(mark), b"labels": [0]}))


def objects(path, mark):
    with path.open("wb") as file:
        np.save(file, np.array([Hostile(mark)], dtype=object))


def archive(path, _):
    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo("../../out"))


@pytest.fixture
def offline(monkeypatch):
    """What is damaged cannot be fetched anew."""

    def refuse(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


BAD = (page, empty, zeros, folder, pipe, loop, sparse, pickled, objects, archive)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
@pytest.mark.parametrize("dataset", FILES)
def test_something_else(fails, offline, tmp_path, dataset, bad):
    if dataset.startswith("svhn"):
        pytest.importorskip("scipy")
    mark, root, out = tmp_path / "mark", tmp_path / "data", tmp_path / "run"
    for name in FILES[dataset]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        bad(root / name, mark)
    code, line = fails("train", MODELS[dataset], "--data", root, "--out", out, "--max-steps", 1)
    assert code == DataError.exit_code
    assert len(line.rstrip()) <= 300 and dataset in line
    assert not mark.exists() and not out.exists()


def test_the_pickles_of_cifar10_are_not_read(fails, tmp_path, offline):
    """The version for Python, whole and hostile, is as if it were not there."""
    mark = tmp_path / "mark"
    place = tmp_path / "data" / "cifar-10-batches-py"
    place.mkdir(parents=True)
    for n in range(1, 6):
        pickled(place / f"data_batch_{n}", mark)
    root = tmp_path / "data"
    command = ("train", "draw-cifar10", "--data", root, "--out", tmp_path / "run")
    code, line = fails(*command)
    assert code == DataError.exit_code and "cifar-10-batches-bin" in line
    assert len(line.rstrip()) <= 300 and not mark.exists()
