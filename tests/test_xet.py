"""Published through Xet, as the client does, and fetched as any other file."""

import pytest
from loopback import TOKEN

from drawzoo.store import published as published_store
from drawzoo.store.sources import cached

pytest.importorskip("hf_xet")
# The client's own way of uploading, which only a filter that makes warnings errors ever shows.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAMES = ("draw-mnist", "model3-mnist")


@pytest.fixture
def xet(monkeypatch, loopback, models, tmp_path):
    """The Hub in Xet mode, with both models published in it."""
    from huggingface_hub import constants

    loopback.xet = tmp_path / "xet"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "chunks"), raising=False)
    loopback.repositories.clear()
    return loopback


@pytest.fixture
def published(xet, run):
    code, _, said = run("publish", "--all", "--namespace", "user", "--pin")
    assert code == 0, said
    published_store.read.cache_clear()
    return xet


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_weights_go_through_xet_and_come_back(published, run, models):
    assert any("xet-write-token" in path for path in published.paths())
    assert not published.paths("PUT")
    code, lines, _ = run("pull", "--all", "--source", "hub")
    assert (code, lines) == (0, [str(cached(name)) for name in NAMES])
    for name, folder in models.items():
        assert contents(cached(name)) == contents(folder)
    published.requests.clear()
    assert run("pull", "--all")[0] == 0
    assert published.requests == []


def test_again_makes_no_commit(published, run):
    before = {name: dict(r.branches) for name, r in published.repositories.items()}
    assert run("publish", "--all", "--namespace", "user")[0] == 0
    assert {name: r.branches for name, r in published.repositories.items()} == before
