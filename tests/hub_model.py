"""A model that is published, ships, and is on a Hub of this machine: what the tests share."""

import msgspec
import pytest

from drawzoo.schema.manifest import FILES, Published, pin
from drawzoo.store import published as published_store
from drawzoo.store import sources as hub

NAME = "draw-mnist"
REPOSITORY = "user/draw"


@pytest.fixture(autouse=True)
def models(monkeypatch):
    """The manifest; `model3-mnist` has no weights in it."""
    models = {}
    monkeypatch.setattr(published_store, "read", lambda path: models)
    return models


@pytest.fixture(autouse=True)
def shipped(monkeypatch, tmp_path, models):
    """The folder of a published model that ships, and is not on the Hub."""
    folder = tmp_path / "shipped" / NAME
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(f"content of {name}\n".encode() * 50)
    models[NAME] = Published(
        repository=REPOSITORY,
        commit=None,
        parameters=1,
        files={name: pin(folder / name) for name in FILES},
        figures=[],
    )
    monkeypatch.setattr(
        hub, "shipped", lambda name: folder if name == NAME and folder.exists() else None
    )
    return folder


@pytest.fixture
def commit(loopback, models, shipped):
    """The commit at which the model is on the Hub."""
    commit = loopback.commit(REPOSITORY, contents(shipped))
    models[NAME] = msgspec.structs.replace(models[NAME], commit=commit)
    return commit


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damage(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def one_line(error):
    text = str(error.value)
    assert text.isprintable()
    return text


def said(caplog):
    """The only line that was said."""
    (record,) = (r for r in caplog.records if r.name.startswith(("drawzoo", "huggingface")))
    assert record.getMessage().isprintable()
    return record.getMessage()
