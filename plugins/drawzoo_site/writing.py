"""The page's folder: its own files, and the models that it draws with. Free of torch."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from drawzoo import ConfigError, ModelConfig, WeightsError
from drawzoo.commands import (
    LOCAL,
    check_regular,
    decode,
    locate,
    make_folder,
    manifest,
    shipped,
    to_dict,
    write_atomic,
)

__all__ = ["default_models", "write_site"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
INDEX = "models.json"
SMALL = 2_000_000
"""Bytes of weights of a model that a page has unless others are asked for."""


LARGEST = 64 << 20
"""Bytes of a model's file."""

KNOWN = {
    "reader": {"attention", "attention-error", "stn", "whole", "none"},
    "encoder": {"lstm", "lstm-private", "gated", "transformer", "conv", "supervised"},
    "latent": {"gaussian"},
    "decoder": {"lstm", "gated"},
    "writer": {"attention", "whole", "deconv"},
    "likelihood": {"bernoulli", "intensities", "logistic", "logistic-mixture"},
}
"""Kind → names of the components that the page's engine has, as in `engine/components.js`."""


def default_models() -> list[str]:
    """The models that ship, are small, and of components that the page's engine has."""
    return [
        name
        for name, published in manifest().items()
        if published.files[WEIGHTS].bytes <= SMALL and (folder := shipped(name)) and _known(folder)
    ]


def _known(folder: Path) -> bool:
    config = _config(folder)
    return all(getattr(config, kind).name in names for kind, names in KNOWN.items())


def write_site(out: Path, names: Sequence[str]) -> int:
    """Writes the page with the models of those names, and gives its bytes.

    Arguments:
        out: The folder, new, empty, or with a page that was written before.
        names: As for `drawzoo.load`.

    Raises:
        DrawzooError: If a model cannot be found, or the folder holds or is something else.
    """
    _check_folder(out)
    folders = {name: locate(name).folder for name in names}
    configs = {name: _config(folder) for name, folder in folders.items()}
    labels = _labels(configs)
    files = dict(_files(importlib.resources.files("drawzoo_site") / "static", ""))
    for name, folder in folders.items():
        at = f"models/{labels[name]}"
        files[f"{at}/{CONFIG}"] = _json(to_dict(configs[name]))
        files[f"{at}/{WEIGHTS}"] = _read(folder / WEIGHTS)
    entries = [
        {
            "name": labels[name],
            "load": _load(name, labels[name]),
            "bytes": len(files[f"models/{labels[name]}/{WEIGHTS}"]),
        }
        for name in names
    ]
    # Last, as it says that all others are there.
    files[INDEX] = _json({"drawzoo": 1, "models": entries})
    for path, data in files.items():
        target = out / path
        make_folder(target.parent)
        write_atomic(target, data)
    return sum(map(len, files.values()))


def _read(path: Path) -> bytes:
    """A file of a model's, if it is one that a page can have.

    Raises:
        WeightsError: If it cannot be read, or is too large.
    """
    try:
        size = check_regular(path).st_size
        if size > LARGEST:
            raise WeightsError(f"{path}: {size:,} bytes are more than a page has, {LARGEST:,}")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"no model in {path.parent}: cannot read {path.name} ({error.strerror}); "
            "name the folder of a model"
        ) from error


def _config(folder: Path) -> ModelConfig:
    return decode(_read(folder / CONFIG), ModelConfig, str(folder / CONFIG))


def _load(name: str, label: str) -> str:
    """What loads the model in Python; of a local one, the copy in the page's own folder.

    The path on the machine that wrote the page is nobody's business.
    """
    return f"{LOCAL}models/{label}" if name.startswith(LOCAL) else name


def _labels(configs: dict[str, ModelConfig]) -> dict[str, str]:
    """Name → what to call it on the page and in addresses: plain, and no two alike."""
    labels: dict[str, str] = {}
    for name, config in configs.items():
        plain = name if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) else config.name
        label, number = plain, 2
        while label in labels.values():
            label, number = f"{plain}-{number}", number + 1
        labels[name] = label
    return labels


def _files(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _files(entry, f"{prefix}{entry.name}/")
        else:
            found.append((f"{prefix}{entry.name}", entry.read_bytes()))
    return found


def _json(data: object) -> bytes:
    return json.dumps(data, indent=1).encode() + b"\n"


def _check_folder(out: Path) -> None:
    """Refuses a folder in which something else than a page lies."""
    if out.is_dir() and any(out.iterdir()):
        try:
            known = "drawzoo" in json.loads((out / INDEX).read_bytes())
        except (OSError, ValueError, TypeError):
            known = False
        if not known:
            raise ConfigError(f"--out {out}: the folder holds something else; name a new folder")
