"""A manifest: the published weights that a distribution knows, and the hash of every file.

Free of torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import msgspec

from drawzoo.disk.atomic import open_regular, waiting_lock, write_atomic
from drawzoo.errors import WeightsError
from drawzoo.schema.base import Config, encode, read

__all__ = [
    "CARD",
    "CONFIG",
    "CURVE",
    "DRAWING",
    "FILES",
    "HALF",
    "PICTURES",
    "REQUIRED",
    "SAMPLES",
    "TRAINING",
    "USED",
    "WEIGHTS",
    "Pin",
    "Published",
    "mismatch",
    "pin",
    "pins",
    "read_manifest",
    "verify",
    "write_manifest",
]

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
HALF = {"format": "half"}
"""The metadata of a file whose floats are stored in 16 bits; models always compute in 32 bits."""
CARD = "README.md"

TRAINING = "training.json"
SAMPLES = "samples.png"
DRAWING = "drawing.gif"
CURVE = "curve.png"

USED = (CONFIG, WEIGHTS)
"""The files that a model is loaded from."""

PICTURES = (SAMPLES, DRAWING, CURVE)

REQUIRED = (*USED, CARD)
"""The files that every published model has."""

FILES = (*REQUIRED, TRAINING, *PICTURES)
"""The files that a published model may have; no other file is ever fetched or read."""


class Pin(Config, frozen=True):
    """A file's content."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    bytes: int


class Published(Config, frozen=True):
    """A model's published weights."""

    repository: str
    commit: str | None
    """Full commit on the Hub; None until the model is published there."""
    parameters: int
    files: dict[str, Pin]
    figures: list[dict[str, Any]]
    """The figures as JSON; `drawzoo.evaluation.protocol.read_figures` reads them."""


class _Manifest(Config, frozen=True):
    models: dict[str, Published]


def read_manifest(path: Path) -> dict[str, Published]:
    """The models of a manifest file; a missing file has no models.

    Raises:
        ConfigError: If the file is no manifest.
    """
    if not path.exists():
        return {}
    return read(path, _Manifest).models


def write_manifest(path: Path, name: str, published: Published) -> None:
    """Adds or replaces a model's entry in a manifest file, which need not exist yet."""
    with waiting_lock(path):
        models = {**read_manifest(path), name: published}
        write_atomic(path, encode(_Manifest(dict(sorted(models.items())))))


def pin(path: Path) -> Pin:
    """The pin of a file as it is on the disk.

    Raises:
        OSError: If the file cannot be read.
    """
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Pin(sha256=digest, bytes=file.tell())


def pins(folder: Path) -> dict[str, Pin]:
    """The pins of the publishable files in a model's folder, as they are on the disk."""
    return {file: pin(folder / file) for file in FILES if (folder / file).is_file()}


def mismatch(path: Path, expected: Pin) -> str | None:
    """The difference of a file from its pin, expected and found; None if they agree."""
    try:
        found = pin(path)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if found == expected:
        return None
    return (
        f"{path} is not the published file: {found.bytes:,} bytes with SHA-256 "
        f"{found.sha256[:16]}…, expected {expected.bytes:,} with {expected.sha256[:16]}…"
    )


def verify(folder: Path, published: Published, files: Collection[str] = FILES) -> None:
    """Checks files of a model's folder against the manifest.

    Arguments:
        folder: The folder.
        published: What the files should be.
        files: The names of the files to check; all published files unless given.

    Raises:
        WeightsError: If a file is missing or differs; the message says what was expected.
    """
    for name, expected in published.files.items():
        if name in files and (problem := mismatch(folder / name, expected)):
            raise WeightsError(problem)
