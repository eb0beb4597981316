"""Where a published model's files come from: cache, Hub, shipped copy; and what goes wrong."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from loopback import TOKEN

from drawzoo.disk.paths import hub_cache
from drawzoo.errors import HubError, OutputError, WeightsError
from drawzoo.schema.manifest import CONFIG, FILES, USED, WEIGHTS, Published, pin
from drawzoo.store import client as hub_client
from drawzoo.store import published as published_store
from drawzoo.store import sources as hub
from drawzoo.store.fetching import repository_folder
from drawzoo.store.sources import cached, locate, pull

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


class TestCheapestFirst:
    """Whatever loads a model: cache, then the copy that ships, then the Hub."""

    def test_shipped_copy_is_used_without_a_request(self, loopback, commit, shipped, caplog):
        assert locate(NAME) == locate(f"drawzoo:{NAME}") == (shipped, "shipped", None)
        assert cached(NAME) is None
        assert loopback.requests == []
        assert not caplog.records

    def test_cache_comes_before_it(self, loopback, commit, shipped):
        folder = pull(NAME).folder
        loopback.requests.clear()
        assert locate(NAME) == (folder, "cache", commit)
        shutil.rmtree(shipped)
        assert locate(NAME) == (folder, "cache", commit)
        assert loopback.requests == []

    def test_hub_comes_last(self, loopback, commit, shipped):
        shutil.rmtree(shipped)
        folder, source, at = locate(NAME)
        assert (source, at) == ("hub", commit)
        # To load a model takes no card and no pictures.
        assert sorted(contents(folder)) == sorted(USED)
        assert locate(NAME).source == "cache"

    def test_damaged_cache_is_said_and_passed_by(self, loopback, commit, shipped, caplog):
        folder = pull(NAME).folder
        damage(folder / WEIGHTS)
        loopback.requests.clear()
        assert locate(NAME) == (shipped, "shipped", None)
        assert str(folder / WEIGHTS) in said(caplog)
        assert loopback.requests == []

    def test_damaged_shipped_copy_of_a_model_on_the_hub(self, commit, shipped, caplog):
        good = (shipped / WEIGHTS).read_bytes()
        damage(shipped / WEIGHTS)
        found = locate(NAME)
        assert found.source == "hub" and (found.folder / WEIGHTS).read_bytes() == good

    @pytest.mark.parametrize("name", USED)
    def test_damaged_shipped_copy(self, shipped, name):
        expected = pin(shipped / name).sha256
        damage(shipped / name)
        found = pin(shipped / name).sha256
        with pytest.raises(WeightsError) as error:
            locate(NAME)
        text = one_line(error)
        assert str(shipped / name) in text and expected[:12] in text and found[:12] in text

    def test_no_copy_at_all(self, shipped):
        shutil.rmtree(shipped)
        with pytest.raises(WeightsError, match="does not ship"):
            locate(NAME)


class TestPullOfWhatIsNotOnTheHub:
    def test_shipped_copy_is_verified_and_said(self, loopback, shipped, caplog):
        assert pull(NAME) == (shipped, "shipped", None)
        assert said(caplog) == f"{NAME} is not on the Hub yet; the copy that ships is good"
        assert loopback.requests == []
        assert not hub_cache().exists()

    @pytest.mark.parametrize("name", FILES)
    def test_damaged_shipped_copy(self, shipped, name):
        damage(shipped / name)
        with pytest.raises(WeightsError, match="not the published file"):
            pull(NAME)

    def test_hub_has_no_copy(self):
        with pytest.raises(HubError, match="not on the Hub yet"):
            pull(NAME, "hub")


class TestPinned:
    def test_comes_from_the_hub_once(self, loopback, commit, shipped, caplog):
        folder, source, at = pull(NAME)
        assert (source, at) == ("hub", commit)
        assert contents(folder) == contents(shipped)
        assert cached(NAME) == folder
        assert folder.is_relative_to(hub_cache())
        loopback.requests.clear()
        assert pull(NAME) == pull(NAME, "hub") == (folder, "cache", commit)
        assert loopback.requests == []
        assert not caplog.records

    def test_only_named_files_are_fetched(self, loopback, commit):
        loopback.repositories[REPOSITORY].commits[commit]["evil.py"] = b"raise SystemExit"
        assert sorted(contents(pull(NAME).folder)) == sorted(FILES)

    def test_token_is_not_sent(self, loopback, commit, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        pull(NAME)
        assert loopback.requests and not any(token for _, _, token in loopback.requests)

    def test_bytes_are_reported(self, commit, models):
        told = []
        pull(NAME, report=lambda *counts: told.append(counts))
        whole = sum(pin.bytes for pin in models[NAME].files.values())
        assert [count for count, _ in told] == sorted(count for count, _ in told)
        assert {expected for _, expected in told} == {whole} and told[-1][0] == whole

    def test_new_commits_do_not_matter(self, loopback, commit, shipped):
        loopback.commit(REPOSITORY, dict.fromkeys(FILES, b"other"))
        assert contents(pull(NAME).folder) == contents(shipped)

    def test_source_shipped_asks_nobody(self, loopback, commit, shipped):
        assert pull(NAME, "shipped") == (shipped, "shipped", None)
        assert loopback.requests == []

    def test_other_cache(self, commit, tmp_path):
        folder = pull(NAME, cache=tmp_path / "other").folder
        assert folder.is_relative_to(tmp_path / "other")
        assert cached(NAME, tmp_path / "other") == folder
        assert cached(NAME) is None

    @pytest.mark.parametrize("file", FILES)
    def test_damaged_cache_is_mended(self, loopback, commit, shipped, file):
        folder = pull(NAME).folder
        for harm in (damage, lambda path: path.unlink()):
            harm(folder / file)
            assert pull(NAME, "hub") == (folder, "hub", commit)
            assert contents(folder) == contents(shipped)
        assert pull(NAME).source == "cache"

    def test_what_the_client_fetched_is_used_and_mended(self, loopback, commit, shipped):
        from huggingface_hub import hf_hub_download

        options = {"revision": commit, "cache_dir": hub_cache(), "token": False}
        for file in FILES:
            folder = Path(hf_hub_download(REPOSITORY, file, **options)).parent
        loopback.requests.clear()
        assert (folder / WEIGHTS).is_symlink()
        assert pull(NAME, "hub") == (folder, "cache", commit)
        assert loopback.requests == []
        damage(folder / WEIGHTS)
        assert pull(NAME, "hub") == (folder, "hub", commit)
        (folder / CONFIG).resolve().unlink()
        assert pull(NAME, "hub") == (folder, "hub", commit)
        assert contents(folder) == contents(shipped)

    def test_client_lists_and_removes_it(self, commit, shipped):
        from huggingface_hub import scan_cache_dir

        folder = pull(NAME).folder
        found = scan_cache_dir(hub_cache())
        assert not found.warnings
        (repository,) = found.repos
        assert (repository.repo_id, repository.nb_files) == (REPOSITORY, len(FILES))
        found.delete_revisions(commit).execute()
        assert not folder.exists()

    def test_several_at_once(self, commit, shipped):
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(pull, [NAME] * 4))
        assert len({folder for folder, _, _ in results}) == 1
        assert contents(results[0].folder) == contents(shipped)

    def test_two_processes_at_once(self, loopback, commit, models, shipped, tmp_path):
        loopback.fault("slow", 2_000, method="GET")
        code = f"""
import msgspec, sys
from drawzoo.store import published
from drawzoo.store import sources as hub
from drawzoo.schema.manifest import Published
models = {{{NAME!r}: msgspec.json.decode(sys.stdin.read(), type=Published)}}
published.read = lambda path: models
hub.pull({NAME!r}, "hub")
"""
        raw = msgspec.json.encode(models[NAME])
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(2)
        ]
        for process in processes:
            process.stdin.write(raw)
            process.stdin.close()
        for process in processes:
            assert (process.wait(100), process.stderr.read()) == (0, b"")
            process.stderr.close()
        assert contents(cached(NAME)) == contents(shipped)
        loopback.requests.clear()
        assert pull(NAME).source == "cache"
        assert loopback.requests == []


class TestWrongBytes:
    @pytest.mark.parametrize("file", FILES)
    @pytest.mark.parametrize("source", ["auto", "hub"])
    def test_are_removed_and_said(self, loopback, commit, file, source):
        expected = pin(hub.shipped(NAME) / file)
        loopback.fault("wrong", path=file)
        with pytest.raises(WeightsError) as error:
            pull(NAME, source)
        text = one_line(error)
        assert file in text and expected.sha256[:12] in text and "fetched twice" in text
        assert [path for path in loopback.paths("GET") if file in path] == [
            f"/{REPOSITORY}/resolve/{commit}/{file}"
        ] * 2
        content = hub.shipped(NAME).joinpath(file).read_bytes()
        wrong = content[:-1] + bytes([content[-1] ^ 1])
        assert not [
            path for path in hub_cache().rglob("*") if path.is_file() and path.read_bytes() == wrong
        ]
        loopback.faults.clear()
        assert pull(NAME).source == "hub"

    def test_once_only(self, loopback, commit, shipped):
        loopback.fault("wrong", path=WEIGHTS, method="GET", times=1)
        assert contents(pull(NAME).folder) == contents(shipped)

    def test_longer_file_is_not_fetched(self, loopback, commit):
        loopback.repositories[REPOSITORY].commits[commit][WEIGHTS] += b"more"
        with pytest.raises(WeightsError, match="longer than") as error:
            pull(NAME)
        one_line(error)
        assert not list(hub_cache().rglob("*"))

    def test_shorter_file(self, loopback, commit):
        loopback.repositories[REPOSITORY].commits[commit][WEIGHTS] = b"short"
        with pytest.raises(WeightsError, match="5 bytes with SHA-256"):
            pull(NAME)

    def test_other_commit_than_asked_for(self, loopback, commit):
        loopback.fault("commit")
        with pytest.raises(HubError, match="answered with") as error:
            pull(NAME, "hub")
        assert commit in one_line(error)


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
