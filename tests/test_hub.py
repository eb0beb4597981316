"""Where a published model's files come from: cache, Hub, shipped copy; and what goes wrong."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from loopback import TOKEN

from drawzoo import hub, hub_client
from drawzoo.errors import HubError, OutputError, WeightsError
from drawzoo.hub import cached, locate
from drawzoo.manifest import FILES, WEIGHTS, Published, pin
from drawzoo.paths import hub_cache

NAME = "draw-mnist"
REPOSITORY = "user/draw"


@pytest.fixture(autouse=True)
def models(monkeypatch):
    """The manifest; `model3-mnist` has no weights in it."""
    models = {}
    monkeypatch.setattr(hub, "manifest", lambda: models)
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


class TestNotOnTheHub:
    def test_shipped_copy_is_used_without_a_request(self, loopback, shipped, caplog):
        assert locate(NAME) == locate(f"drawzoo:{NAME}") == (shipped, "shipped", None)
        assert cached(NAME) is None
        assert loopback.requests == []
        assert not caplog.records

    def test_hub_has_no_copy(self):
        with pytest.raises(HubError, match="not on the Hub yet; say --source shipped"):
            locate(NAME, "hub")

    @pytest.mark.parametrize("name", FILES)
    def test_damaged_shipped_copy(self, shipped, name):
        expected = pin(shipped / name).sha256
        damage(shipped / name)
        found = pin(shipped / name).sha256
        with pytest.raises(WeightsError) as error:
            locate(NAME)
        text = one_line(error)
        assert str(shipped / name) in text and expected[:12] in text and found[:12] in text

    def test_incomplete_shipped_copy(self, shipped):
        (shipped / FILES[0]).unlink()
        with pytest.raises(WeightsError, match=f"{FILES[0]} cannot be read"):
            locate(NAME)

    def test_no_shipped_copy(self, shipped):
        shutil.rmtree(shipped)
        with pytest.raises(WeightsError, match="does not ship"):
            locate(NAME)


class TestPinned:
    def test_comes_from_the_hub_once(self, loopback, commit, shipped, caplog):
        folder, source, at = locate(NAME)
        assert (source, at) == ("hub", commit)
        assert contents(folder) == contents(shipped)
        assert cached(NAME) == folder
        assert folder.is_relative_to(hub_cache())
        loopback.requests.clear()
        assert locate(NAME) == locate(NAME, "hub") == (folder, "cache", commit)
        assert loopback.requests == []
        assert not caplog.records

    def test_only_named_files_are_fetched(self, loopback, commit):
        loopback.repositories[REPOSITORY].commits[commit]["evil.py"] = b"raise SystemExit"
        assert sorted(contents(locate(NAME).folder)) == sorted(FILES)

    def test_token_is_not_sent(self, loopback, commit, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        locate(NAME)
        assert loopback.requests and not any(token for _, _, token in loopback.requests)

    def test_bytes_are_reported(self, commit, models):
        arrived = []
        locate(NAME, report=arrived.append)
        assert sum(arrived) == sum(pin.bytes for pin in models[NAME].files.values())

    def test_new_commits_do_not_matter(self, loopback, commit, shipped):
        loopback.commit(REPOSITORY, dict.fromkeys(FILES, b"other"))
        assert contents(locate(NAME).folder) == contents(shipped)

    def test_source_shipped_asks_nobody(self, loopback, commit, shipped):
        assert locate(NAME, "shipped") == (shipped, "shipped", None)
        assert loopback.requests == []

    def test_other_cache(self, commit, tmp_path):
        folder = locate(NAME, cache=tmp_path / "other").folder
        assert folder.is_relative_to(tmp_path / "other")
        assert cached(NAME, tmp_path / "other") == folder
        assert cached(NAME) is None

    @pytest.mark.parametrize("file", FILES)
    @pytest.mark.parametrize("symlinks", [True, False])
    def test_damaged_cache_is_mended(self, monkeypatch, loopback, commit, shipped, file, symlinks):
        without_symlinks(monkeypatch, symlinks)
        folder = locate(NAME).folder
        assert (folder / file).is_symlink() is symlinks
        for harm in (damage, lambda path: path.unlink()):
            harm(folder / file)
            assert locate(NAME, "hub") == (folder, "hub", commit)
            assert contents(folder) == contents(shipped)
        assert locate(NAME).source == "cache"

    def test_pointer_to_nothing(self, commit, shipped):
        folder = locate(NAME).folder
        (folder / WEIGHTS).resolve().unlink()
        assert contents(locate(NAME, "hub").folder) == contents(shipped)

    def test_several_at_once(self, commit, shipped):
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(locate, [NAME] * 4))
        assert len({folder for folder, _, _ in results}) == 1
        assert contents(results[0].folder) == contents(shipped)

    def test_two_processes_at_once(self, loopback, commit, models, shipped, tmp_path):
        loopback.fault("slow", 2_000, method="GET")
        code = f"""
import msgspec, sys
from drawzoo import hub
from drawzoo.manifest import Published
models = {{{NAME!r}: msgspec.json.decode(sys.stdin.read(), type=Published)}}
hub.manifest = lambda: models
hub.locate({NAME!r}, "hub")
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
            assert (process.wait(30), process.stderr.read()) == (0, b"")
            process.stderr.close()
        assert contents(cached(NAME)) == contents(shipped)
        loopback.requests.clear()
        assert locate(NAME).source == "cache"
        assert loopback.requests == []


def without_symlinks(monkeypatch, symlinks=False):
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", not symlinks)
    file_download._are_symlinks_supported_in_dir.clear()


class TestWrongBytes:
    @pytest.mark.parametrize("file", FILES)
    @pytest.mark.parametrize("symlinks", [True, False])
    @pytest.mark.parametrize("source", ["auto", "hub"])
    def test_are_removed_and_said(self, monkeypatch, loopback, commit, file, symlinks, source):
        without_symlinks(monkeypatch, symlinks)
        expected = pin(hub.shipped(NAME) / file)
        loopback.fault("wrong", path=file)
        with pytest.raises(WeightsError) as error:
            locate(NAME, source)
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
        assert locate(NAME).source == "hub"

    def test_once_only(self, loopback, commit, shipped):
        loopback.fault("wrong", path=WEIGHTS, method="GET", times=1)
        assert contents(locate(NAME).folder) == contents(shipped)

    def test_longer_file_is_not_fetched(self, loopback, commit):
        loopback.repositories[REPOSITORY].commits[commit][WEIGHTS] += b"more"
        with pytest.raises(WeightsError, match="longer than") as error:
            locate(NAME)
        one_line(error)
        assert not [path for path in loopback.paths("GET") if WEIGHTS in path]

    def test_shorter_file(self, loopback, commit):
        loopback.repositories[REPOSITORY].commits[commit][WEIGHTS] = b"short"
        with pytest.raises(WeightsError, match="5 bytes with SHA-256"):
            locate(NAME)

    def test_other_commit_than_asked_for(self, loopback, commit):
        loopback.fault("commit")
        with pytest.raises(HubError, match="answered with") as error:
            locate(NAME, "hub")
        assert commit in one_line(error)

    def test_file_that_grows_while_it_arrives(self, monkeypatch, loopback, commit):
        monkeypatch.setattr(hub_client, "size_of", lambda *_: None)
        loopback.repositories[REPOSITORY].commits[commit][WEIGHTS] += b"more"
        with pytest.raises(WeightsError, match="longer than") as error:
            locate(NAME)
        one_line(error)


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
    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch):
        monkeypatch.setattr(hub_client, "PATIENCE", 0.5)

    @pytest.mark.parametrize("kind, value, reason", FAULTS)
    def test_shipped_copy_is_used_and_said(
        self, loopback, commit, shipped, caplog, kind, value, reason
    ):
        loopback.fault(kind, value)
        assert locate(NAME) == (shipped, "shipped", None)
        text = said(caplog)
        assert reason in text and "ships with drawzoo" in text

    @pytest.mark.parametrize("kind, value, reason", FAULTS)
    def test_source_hub_is_an_error(self, loopback, commit, caplog, kind, value, reason):
        loopback.fault(kind, value)
        with pytest.raises(HubError, match=reason) as error:
            locate(NAME, "hub")
        assert REPOSITORY in one_line(error)
        assert not [r for r in caplog.records if r.name.startswith("huggingface")]
        loopback.faults.clear()
        assert locate(NAME, "hub").source == "hub"

    @pytest.mark.parametrize("kind, value", [("reset", None), ("truncated", 100), ("status", 500)])
    def test_in_the_middle(self, loopback, commit, shipped, caplog, kind, value):
        loopback.fault(kind, value, path=WEIGHTS, method="GET")
        with pytest.raises(HubError) as error:
            locate(NAME, "hub")
        one_line(error)
        assert locate(NAME) == (shipped, "shipped", None)
        loopback.faults.clear()
        assert contents(locate(NAME, "hub").folder) == contents(shipped)

    def test_interrupted_once(self, loopback, commit, shipped):
        loopback.fault("truncated", 100, path=WEIGHTS, method="GET", times=1)
        assert contents(locate(NAME, "hub").folder) == contents(shipped)

    def test_slow(self, loopback, commit, shipped):
        loopback.fault("slow", 4_000)
        assert contents(locate(NAME, "hub").folder) == contents(shipped)

    def test_file_that_is_not_there(self, loopback, commit):
        del loopback.repositories[REPOSITORY].commits[commit][WEIGHTS]
        with pytest.raises(HubError, match=f"{WEIGHTS} of {REPOSITORY} is not there"):
            locate(NAME, "hub")

    def test_offline(self, monkeypatch, loopback, commit, shipped, caplog):
        from huggingface_hub import constants

        folder = locate(NAME).folder
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        loopback.requests.clear()
        assert locate(NAME) == (folder, "cache", commit)
        shutil.rmtree(folder)
        assert locate(NAME) == (shipped, "shipped", None)
        assert "HF_HUB_OFFLINE is set" in said(caplog)
        assert loopback.requests == []

    def test_damaged_cache_and_no_hub(self, loopback, commit, shipped, caplog):
        damage(locate(NAME).folder / WEIGHTS)
        loopback.fault("reset")
        assert locate(NAME) == (shipped, "shipped", None)
        assert "is damaged" in said(caplog)

    def test_cache_is_enough(self, loopback, commit, shipped):
        folder = locate(NAME).folder
        loopback.fault("reset")
        shutil.rmtree(shipped)
        assert locate(NAME) == (folder, "cache", commit)


def test_unreachable_hub_costs_less_than_five_seconds(loopback, commit, shipped):
    import huggingface_hub  # noqa: F401  (its import is not what is measured)

    loopback.fault("hang", 30)
    start = time.perf_counter()
    assert locate(NAME).source == "shipped"
    assert time.perf_counter() - start < 5


def test_hub_that_dies_while_it_sends_costs_little_more(
    monkeypatch, loopback, commit, shipped, caplog
):
    """Its first answers were quick; then it is silent, in the middle of the weights or before."""
    import huggingface_hub  # noqa: F401

    monkeypatch.setattr(hub_client, "PATIENCE", 0.5)
    loopback.fault("hang", 10, path=WEIGHTS, method="GET")
    start = time.perf_counter()
    assert locate(NAME).source == "shipped"
    assert time.perf_counter() - start < 1.5
    assert "ships with drawzoo" in said(caplog)
    loopback.faults.clear()
    assert contents(locate(NAME, "hub").folder) == contents(shipped)


def test_slow_hub_is_waited_for_as_long_as_bytes_come(monkeypatch, loopback, commit, shipped):
    monkeypatch.setattr(hub_client, "PATIENCE", 1.0)
    monkeypatch.setattr(hub_client, "CHUNK", 64)
    loopback.fault("slow", 500, path=WEIGHTS, method="GET")
    start = time.perf_counter()
    assert locate(NAME).source == "hub"
    assert time.perf_counter() - start > 1.5


class TestCacheThatCannotBeWritten:
    def test_file_in_the_way(self, commit, shipped, caplog):
        hub_cache().parent.mkdir(parents=True)
        hub_cache().write_bytes(b"in the way")
        with pytest.raises(OutputError, match="HF_HOME") as error:
            locate(NAME, "hub")
        one_line(error)
        assert locate(NAME) == (shipped, "shipped", None)
        assert "HF_HOME" in said(caplog)
        assert hub_cache().read_bytes() == b"in the way"

    def test_full_disk(self, monkeypatch, commit, shipped):
        from huggingface_hub import file_download

        def full(*_, **__):
            raise OSError(28, os.strerror(28))

        with monkeypatch.context() as patch:
            patch.setattr(file_download, "http_get", full)
            with pytest.raises(OutputError, match="No space left.*make room") as error:
                locate(NAME, "hub")
        one_line(error)
        assert contents(locate(NAME, "hub").folder) == contents(shipped)

    def test_read_only_cache_is_read(self, monkeypatch, loopback, commit, shipped, caplog):
        folder = locate(NAME).folder

        def refuse(*_, **__):
            raise PermissionError(13, os.strerror(13), "somewhere")

        for name in ("mkdir", "unlink", "rename", "replace", "symlink"):
            monkeypatch.setattr(os, name, refuse)
        assert locate(NAME) == (folder, "cache", commit)
        damage(folder / WEIGHTS)
        with pytest.raises(OutputError, match="cannot be removed"):
            locate(NAME, "hub")
        assert locate(NAME) == (shipped, "shipped", None)


@pytest.mark.parametrize(
    "etag", ["{}/x.pth", "../../../../x.pth", "", "a" * 5000, "..", "a/b", "x\tb", "%2e%2e"]
)
def test_an_etag_never_names_a_file(loopback, commit, tmp_path, etag):
    outside = tmp_path / "outside"
    outside.mkdir()
    loopback.etag = etag.format(outside)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(hub_cache())}
    with pytest.raises(HubError) as error:
        locate(NAME, "hub")
    one_line(error)
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(hub_cache())}
    assert after == before
    assert not list(hub_cache().rglob("*.safetensors"))
