"""Where a published model's files come from: cache, Hub, shipped copy."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hub_model import NAME, REPOSITORY, commit, contents, damage, models, one_line, said, shipped
from loopback import TOKEN

from drawzoo.disk.paths import hub_cache
from drawzoo.errors import HubError, WeightsError
from drawzoo.schema.manifest import CONFIG, FILES, USED, WEIGHTS, pin
from drawzoo.store import sources as hub
from drawzoo.store.sources import cached, locate, pull


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
