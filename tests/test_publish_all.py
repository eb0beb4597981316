"""All the models that ship, through a Hub and back: the same bytes, and nothing done twice."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, repocard
from loopback import TOKEN

from drawzoo.schema.manifest import CARD, read_manifest
from drawzoo.store import published as published_store
from drawzoo.store.sources import cached

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / "drawzoo" / "manifest.json"
NAMES = sorted(read_manifest(MANIFEST))

# The client's own way of uploading, which only a filter that makes warnings errors ever shows.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def cards(monkeypatch, shelve, loopback, tmp_path):
    """A copy of what ships, with its manifest, and a token to publish it: the folder of cards."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    shutil.copytree(ROOT / "model_cards", tmp_path / "model_cards")
    shutil.copy(MANIFEST, tmp_path / "manifest.json")
    monkeypatch.chdir(tmp_path)
    return shelve(tmp_path / "manifest.json", tmp_path / "model_cards").cards


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def heads(loopback):
    return {name: found.branches["main"] for name, found in loopback.repositories.items()}


@pytest.mark.slow
def test_there_and_back(run, loopback, cards):
    before = {name: contents(cards / name) for name in NAMES}
    code, lines, said = run("publish", "--all", "--namespace", "user", "--pin")
    assert code == 0 and len(lines) == len(NAMES) and TOKEN not in said
    published = heads(loopback)
    assert sorted(published) == [f"user/{name}" for name in NAMES]

    code, _, said = run("publish", "--all", "--namespace", "user", "--pin")
    assert code == 0 and said.count("unchanged, no new commit") == len(NAMES)
    assert heads(loopback) == published

    published_store.read.cache_clear()
    assert run("pull", "--all", "--source", "hub")[0] == 0
    for name in NAMES:
        assert contents(cards / name) == contents(cached(name)) == before[name]
    loopback.requests.clear()
    assert run("pull", "--all", "--source", "hub")[0] == 0
    assert loopback.requests == []

    # What is pinned stays what it was when the branch moves on.
    pinned = cached(NAMES[0])
    loopback.commit(f"user/{NAMES[0]}", {CARD: b"# New\n"})
    shutil.rmtree(pinned)
    assert run("pull", NAMES[0], "--source", "hub")[0] == 0
    assert contents(pinned) == before[NAMES[0]]


@pytest.fixture
def validator(loopback, monkeypatch):
    """What `validate` asks is the Hub of the tests, which clients before 2.2 know by no setting."""
    session = repocard.get_session()
    post = session.post

    def ask(url, **options):
        return post(url.replace("https://huggingface.co", loopback.endpoint), **options)

    monkeypatch.setattr(session, "post", ask)
    return loopback


@pytest.mark.parametrize("name", NAMES)
def test_the_hub_accepts_the_card(validator, name):
    ModelCard.load(ROOT / "model_cards" / name / CARD).validate()
    assert validator.paths("POST") == ["/api/validate-yaml"]


@pytest.mark.usefixtures("validator")
def test_the_hub_does_not_accept_everything():
    """Else the test above would say nothing."""
    card = ModelCard.load(ROOT / "model_cards" / NAMES[0] / CARD)
    card.data.license = None
    with pytest.raises(ValueError, match="metadata"):
        card.validate()
