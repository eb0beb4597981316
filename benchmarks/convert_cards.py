"""Writes the models in `model_cards/` of format 1 in format 2; those of format 2 stay as they are.

    python benchmarks/convert_cards.py

Weights and figures stay the same: tensors get their new names, the configuration, the card and the
manifest's pins are written anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from drawzoo.cards.text import keep_notes, model_card
from drawzoo.disk.atomic import write_atomic
from drawzoo.engine.saving import write_model
from drawzoo.evaluation.protocol import read_figures
from drawzoo.registry.loader import registry
from drawzoo.schema.manifest import (
    CARD,
    CONFIG,
    WEIGHTS,
    pins,
    read_manifest,
    write_manifest,
)
from drawzoo.schema.record import read_record
from drawzoo.store.published import shelf
from drawzoo.store.validate import read_header
from drawzoo.store.weights import read_model

MANIFEST, CARDS = shelf("drawzoo")


def convert(folder: Path) -> None:
    """Writes one model's folder, and its entry in the manifest."""
    name, entry = folder.name, read_manifest(MANIFEST)[folder.name]
    model, half = read_model(folder), read_header(folder / WEIGHTS).floats == "F16"
    write_model(folder, model.config, model.state_dict(), half=half)
    text = model_card(
        model.config,
        read_record(folder),
        summary=registry().find("model", name).summary,
        name=name,
        parameters=entry.parameters,
        figures=read_figures(entry.figures),
        files={file: pin for file, pin in pins(folder).items() if file != CARD},
    )
    card = folder / CARD
    write_atomic(card, keep_notes(text, card.read_text(encoding="utf-8")).encode())
    # No commit on the Hub has these files.
    new = msgspec.structs.replace(entry, files=pins(folder), commit=None)
    write_manifest(MANIFEST, name, new)


def main() -> None:
    """Converts all that are of format 1."""
    for folder in sorted(path.parent for path in CARDS.glob(f"*/{CONFIG}")):
        old = json.loads((folder / CONFIG).read_bytes())["format"] == 1
        if old:
            convert(folder)
        print(folder.name, "converted" if old else "is of format 2")


if __name__ == "__main__":
    main()
