"""The other way in which the client transfers files, which is the usual one: Xet."""

import time

import pytest
from loopback import TOKEN

from drawzoo import hub, hub_client, manifest
from drawzoo.errors import OutputError, WeightsError
from drawzoo.hub import cached, locate
from drawzoo.manifest import WEIGHTS, pin

pytest.importorskip("hf_xet")
# The client's own way of uploading, which only a filter that makes warnings errors ever shows.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAMES = ("draw-mnist", "model3-mnist")


@pytest.fixture
def xet(monkeypatch, loopback, models, tmp_path):
    """The Hub in Xet mode, with both models published in it."""
    from huggingface_hub import constants

    loopback.xet = tmp_path / "xet"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "chunks"), raising=False)
    loopback.repositories.clear()
    return loopback


@pytest.fixture
def published(xet, run):
    code, _, said = run("publish", "--all", "--namespace", "user", "--pin")
    assert code == 0, said
    manifest.manifest.cache_clear()
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
    assert any("xet-read-token" in path for path in published.paths())
    assert not [path for path in published.paths("GET") if path.endswith(WEIGHTS)]
    published.requests.clear()
    assert run("pull", "--all")[0] == 0
    assert published.requests == []


def test_again_makes_no_commit(published, run):
    before = {name: dict(r.branches) for name, r in published.repositories.items()}
    assert run("publish", "--all", "--namespace", "user")[0] == 0
    assert {name: r.branches for name, r in published.repositories.items()} == before


def test_bytes_are_reported_once(published):
    arrived = []
    locate(NAMES[0], "hub", report=arrived.append)
    assert sum(arrived) == sum(pin.bytes for pin in hub.manifest()[NAMES[0]].files.values())


def test_other_content_for_the_same_hash_is_refused(published, models, tmp_path):
    """The Hub gives Xet's name of another file, which the client takes for the right one."""
    from huggingface_hub import HfApi

    name, wrong = NAMES[0], tmp_path / "wrong"
    raw = (models[name] / WEIGHTS).read_bytes()
    wrong.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    HfApi().upload_file(path_or_fileobj=wrong, path_in_repo=WEIGHTS, repo_id=f"user/{name}")
    hashes = published.xet_hashes
    hashes[pin(models[name] / WEIGHTS).sha256] = hashes[pin(wrong).sha256]
    with pytest.raises(WeightsError, match="expected"):
        locate(name, "hub")
    assert not (cached(name) / WEIGHTS).exists()


def test_storage_that_is_gone(published, models, monkeypatch, caplog):
    monkeypatch.setattr(hub_client, "PATIENCE", 1.0)
    published.fault("hang", 30, path="xet-read-token")
    start = time.perf_counter()
    assert locate(NAMES[0]) == (models[NAMES[0]], "shipped", None)
    assert time.perf_counter() - start < 4
    assert "ships with drawzoo" in caplog.text


def test_full_disk(published, models, monkeypatch, caplog):
    """In the words of hf_xet, which has no error number for it."""
    from huggingface_hub import file_download

    def full(**_):
        raise RuntimeError(
            "Task error: File reconstruction error: IO Error: No space left on device (os error 28)"
        )

    with monkeypatch.context() as patch:
        patch.setattr(file_download, "xet_get", full)
        with pytest.raises(OutputError, match="No space left on device; make room"):
            locate(NAMES[0], "hub")
        assert locate(NAMES[0]).source == "shipped"
    assert contents(locate(NAMES[0], "hub").folder) == contents(models[NAMES[0]])
