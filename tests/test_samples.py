"""The images that ship."""

import pytest

from drawzoo.data.mnist_sample import MNIST_SAMPLE
from drawzoo.errors import DataError


@pytest.mark.parametrize("raw", [b"", b"damaged", None], ids=["empty", "damaged", "cut"])
def test_a_damaged_file_is_named(tmp_path, monkeypatch, raw):
    path = tmp_path / "mnist_sample.safetensors"
    path.write_bytes(MNIST_SAMPLE.path.read_bytes()[:-1] if raw is None else raw)
    monkeypatch.setattr(MNIST_SAMPLE, "path", path)
    with pytest.raises(DataError, match=r"mnist_sample.safetensors.* is damaged .*; reinstall"):
        MNIST_SAMPLE.load(tmp_path, "test", download=False)
