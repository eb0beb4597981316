"""Finding a model for a command: whatever must be fetched shows a bar, whatever is wrong with a
stranger's is told before torch is imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from drawzoo.cli.progress import download_progress
from drawzoo.store.sources import locate

if TYPE_CHECKING:
    from drawzoo.engine.draw import Draw

__all__ = ["load_model", "load_models", "model_folder"]


def model_folder(name: str) -> Path:
    """The folder to load a model from, brought here if it must be; free of torch.

    Arguments:
        name: As for `drawzoo.load`.

    Raises:
        DrawzooError: As `drawzoo.store.sources.locate` does.
    """
    with download_progress(name) as report:
        return locate(name, report=report).folder


def load_model(name: str) -> Draw:
    """As `drawzoo.load`, with a bar for what must be fetched."""
    return load_models([name])[name]


def load_models(names: Iterable[str]) -> dict[str, Draw]:
    """The models of the names; all are looked for before the first is read."""
    folders = {name: model_folder(name) for name in names}

    from drawzoo.store.weights import read_model

    return {name: read_model(folder) for name, folder in folders.items()}
