"""What goes wrong on the way from the Hub to the cache, and what is left of it."""

import os
import shutil
import time
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
from hub_model import NAME, REPOSITORY, commit, contents, damage, models, one_line, said, shipped

from drawzoo.disk.paths import hub_cache
from drawzoo.errors import HubError, OutputError
from drawzoo.schema.manifest import WEIGHTS
from drawzoo.store import client as hub_client
from drawzoo.store.fetching import repository_folder
from drawzoo.store.sources import locate, pull

FAULTS = [
    ("status", 401, "public repository"),
    ("status", 403, "forbids"),
    ("status", 404, "repository"),
    ("status", 412, "try again"),
    ("status", 418, "HTTP 418"),
    ("status", 429, "too often"),
    ("status", 500, "not available"),
    ("status", 503, "not available"),
    ("reset", None, "cannot be reached"),
    ("hang", 30, "cannot be reached"),
]


class TestFaults:
    @pytest.fixture
    def hurry(self, monkeypatch):
        """The client waits half a second only, in a `with`: sound answers may take longer."""

        @contextmanager
        def hurry():
            with monkeypatch.context() as patch:
                patch.setattr(hub_client, "DEADLINE", 0.5)
                yield

        return hurry

    @pytest.mark.parametrize("kind, value, reason", FAULTS)
    def test_shipped_copy_is_used_and_said(
        self, loopback, commit, shipped, caplog, hurry, kind, value, reason
    ):
        loopback.fault(kind, value)
        with hurry() if kind == "hang" else nullcontext():
            assert pull(NAME) == (shipped, "shipped", None)
        text = said(caplog)
        assert reason in text and "ships is good" in text

    @pytest.mark.parametrize("kind, value, reason", FAULTS)
    def test_source_hub_is_an_error(self, loopback, commit, caplog, hurry, kind, value, reason):
        loopback.fault(kind, value)
        with (
            hurry() if kind == "hang" else nullcontext(),
            pytest.raises(HubError, match=reason) as error,
        ):
            pull(NAME, "hub")
        assert REPOSITORY in one_line(error)
        assert not [r for r in caplog.records if r.name.startswith("huggingface")]
        loopback.faults.clear()
        assert pull(NAME, "hub").source == "hub"

    @pytest.mark.parametrize("kind, value", [("reset", None), ("truncated", 100), ("status", 500)])
    def test_in_the_middle(self, loopback, commit, shipped, caplog, kind, value):
        loopback.fault(kind, value, path=WEIGHTS, method="GET")
        with pytest.raises(HubError) as error:
            pull(NAME, "hub")
        one_line(error)
        assert pull(NAME) == (shipped, "shipped", None)
        loopback.faults.clear()
        assert contents(pull(NAME, "hub").folder) == contents(shipped)

    def test_interrupted_once(self, loopback, commit, shipped):
        loopback.fault("truncated", 100, path=WEIGHTS, method="GET", times=1)
        assert contents(pull(NAME, "hub").folder) == contents(shipped)

    def test_file_that_is_not_there(self, loopback, commit):
        del loopback.repositories[REPOSITORY].commits[commit][WEIGHTS]
        with pytest.raises(HubError, match=f"{WEIGHTS} of {REPOSITORY} is not there"):
            pull(NAME, "hub")

    def test_offline(self, monkeypatch, loopback, commit, shipped, caplog):
        from huggingface_hub import constants

        folder = pull(NAME).folder
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        loopback.requests.clear()
        assert pull(NAME) == (folder, "cache", commit)
        shutil.rmtree(folder)
        assert pull(NAME) == (shipped, "shipped", None)
        assert "HF_HUB_OFFLINE is set" in said(caplog)
        assert loopback.requests == []

    def test_damaged_cache_and_no_hub(self, loopback, commit, shipped, caplog):
        damage(pull(NAME).folder / WEIGHTS)
        loopback.fault("reset")
        assert pull(NAME) == (shipped, "shipped", None)
        assert "cannot be reached" in said(caplog)

    def test_cache_is_enough(self, loopback, commit, shipped):
        folder = pull(NAME).folder
        loopback.fault("reset")
        shutil.rmtree(shipped)
        assert pull(NAME) == (folder, "cache", commit)


def test_slow_hub_is_waited_for_as_long_as_bytes_come(monkeypatch, commit):
    """The clock stands still but for the bytes that come, 1,000 a second."""
    now = 0.0

    def arrive(arrived, _):
        nonlocal now
        now = arrived / 1_000

    monkeypatch.setattr(hub_client, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(hub_client, "DEADLINE", 0.5)
    monkeypatch.setattr(hub_client, "RATE", 10_000)
    with pytest.raises(HubError, match="too slow"):
        pull(NAME, "hub", report=arrive)
    now = 0.0
    monkeypatch.setattr(hub_client, "RATE", 200)
    assert pull(NAME, "hub", report=arrive).source == "hub"
    assert now > 1


def test_client_is_left_as_it_was(loopback, commit, shipped, monkeypatch):
    """Its settings, its own talk and its bars, after what went well and after what did not."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import logging as client_logging
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled

    def state():
        settings = {k: v for k, v in vars(constants).items() if k.isupper()}
        downloads = dict(vars(file_download))
        return client_logging.get_verbosity(), are_progress_bars_disabled(), settings, downloads

    before = state()
    pull(NAME, "hub")
    shutil.rmtree(hub_cache())
    monkeypatch.setattr(hub_client, "DEADLINE", 0.3)
    loopback.fault("hang", 1, path=WEIGHTS, method="GET")
    with pytest.raises(HubError, match="too slow"):
        pull(NAME, "hub")
    assert state() == before
    time.sleep(1)  # until the request that was given up on has ended
    assert state() == before


class TestCacheThatCannotBeWritten:
    @pytest.mark.parametrize("source", ["auto", "hub"])
    def test_file_in_the_way(self, commit, shipped, source):
        hub_cache().parent.mkdir(parents=True)
        hub_cache().write_bytes(b"in the way")
        with pytest.raises(OutputError, match="HF_HOME") as error:
            pull(NAME, source)
        one_line(error)
        assert locate(NAME).source == "shipped"
        assert hub_cache().read_bytes() == b"in the way"

    def test_full_disk(self, monkeypatch, commit, shipped):
        def full(*_):
            raise OSError(28, os.strerror(28))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OutputError, match="No space left.*make room") as error:
                pull(NAME, "hub")
        assert "incoming" not in one_line(error)
        assert not list(hub_cache().rglob("*"))
        assert contents(pull(NAME, "hub").folder) == contents(shipped)

    def test_read_only_cache_is_read(self, monkeypatch, loopback, commit, shipped):
        folder = pull(NAME).folder

        def refuse(*_, **__):
            raise PermissionError(13, os.strerror(13), "somewhere")

        for name in ("mkdir", "unlink", "rename", "replace", "symlink"):
            monkeypatch.setattr(os, name, refuse)
        assert pull(NAME) == locate(NAME) == (folder, "cache", commit)
        damage(folder / WEIGHTS)
        with pytest.raises(OutputError, match="choose another cache"):
            pull(NAME, "hub")
        assert locate(NAME) == (shipped, "shipped", None)


def test_what_a_killed_download_left_is_swept(commit, shipped):
    place = repository_folder(REPOSITORY, hub_cache())
    for name, age in (("incoming-old", 3600), ("incoming-new", 0)):
        (place / name).mkdir(parents=True)
        (place / name / WEIGHTS).write_bytes(b"half")
        for path in (place / name / WEIGHTS, place / name):
            os.utime(path, (0, time.time() - age))
    pull(NAME)
    # Another process may be at work on the younger one.
    assert [path.name for path in place.glob("incoming-*")] == ["incoming-new"]
