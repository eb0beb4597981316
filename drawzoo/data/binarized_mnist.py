"""The fixed binarised MNIST: the benchmark of the paper's Table 2.

References:
    | The Neural Autoregressive Distribution Estimator (Larochelle & Murray, 2011)
    | On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov & Murray, 2008)
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drawzoo.data.advice import without_download
from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.reading import check_file
from drawzoo.disk.atomic import open_regular
from drawzoo.errors import DataError

if TYPE_CHECKING:
    import torch

    from drawzoo.data.images import Images

__all__ = ["BINARIZED_MNIST", "read_amat"]

URL = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"

_SHA256 = {
    "train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}
_LARGEST = 50_000 * 2 * 784
"""Bytes of the largest file; a larger one is refused unread."""


def read_amat(raw: bytes) -> torch.Tensor:
    """Reads lines of 784 zeros and ones, separated by spaces.

    Returns:
        uint8 of 0 and 1, [N, 1, 28, 28].

    Raises:
        ValueError: If it is anything else.
    """
    import torch

    line = 2 * 784
    if not raw or len(raw) % line:
        raise ValueError(f"{len(raw):,} bytes are not whole lines of 784 pixels")
    text = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 784, 2)
    pixels, separators = text[..., 0] - ord("0"), text[..., 1]
    if pixels.max() > 1 or (separators[:, :-1] != ord(" ")).any():
        raise ValueError("there are other things than zeros and ones")
    return torch.from_numpy(pixels.copy()).view(-1, 1, 28, 28)


class _BinarizedMNIST(Dataset):
    splits = ("train", "valid", "test")
    support = Support.BINARY
    licence = "CC BY-SA 3.0"
    source = URL

    def files(self, root: Path, split: str) -> list[Path]:
        return [root / "binarized_mnist" / f"binarized_mnist_{split}.amat"]

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        from drawzoo.data.images import Images

        (path,) = self.files(root, split)
        check_file("binarized-mnist", path, _LARGEST)
        if not path.exists() and download:
            _download(path, split)
        try:
            with open_regular(path) as file:
                raw = file.read()
        except OSError as error:
            raise DataError(
                f"binarized-mnist: cannot read {path} ({error.strerror}); name the folder that "
                "holds binarized_mnist/ with --data or DRAWZOO_DATA"
            ) from error
        if hashlib.sha256(raw).hexdigest() != _SHA256[split]:
            raise DataError(
                f"binarized-mnist: {path} is damaged (its SHA-256 is not the published one); "
                "delete it and try again"
            )
        return Images(read_amat(raw) * 255, None, binarize=False)


def _download(path: Path, split: str) -> None:
    import torch

    url = URL + path.name
    made = [place for place in (path.parent, path.parent.parent) if not place.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # To a temporary file, hashed on the way, moved into place only if it is right.
        torch.hub.download_url_to_file(url, str(path), hash_prefix=_SHA256[split])
    except (OSError, RuntimeError) as error:
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()
        raise DataError(
            f"binarized-mnist: cannot download {url} to {path.parent} ({error}); name the folder "
            f"with binarized_mnist/ with --data or DRAWZOO_DATA, or "
            f"{without_download('binarized-mnist', split)}"
        ) from error


BINARIZED_MNIST = _BinarizedMNIST()
