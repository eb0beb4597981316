"""`drawzoo verify` and `drawzoo cache`: what is there, whether it is right, and removing it."""

import json
import os
import shutil
import time

import pytest

from drawzoo.hub import cached, locate, repository_folder, snapshot
from drawzoo.manifest import CARD, CONFIG, FILES, USED
from drawzoo.paths import hub_cache

NAMES = ("draw-mnist", "model3-mnist")


def damage(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


class TestVerify:
    def test_good_copies(self, run, models, loopback):
        locate(NAMES[0])
        loopback.requests.clear()
        code, lines, said = run("verify", "--json")
        rows = json.loads("\n".join(lines))
        assert (code, said) == (0, "")
        assert [(row["name"], row["source"], row["problems"]) for row in rows] == [
            (NAMES[0], "cache", []),
            (NAMES[0], "shipped", []),
            (NAMES[1], "shipped", []),
        ]
        assert rows[0]["folder"] == str(cached(NAMES[0]))
        code, lines, _ = run("verify", NAMES[1])
        assert code == 0 and len(lines) == 2 and "good" in lines[1]
        assert loopback.requests == []

    @pytest.mark.parametrize("file", FILES)
    @pytest.mark.parametrize("place", ["cache", "shipped"])
    @pytest.mark.parametrize("harm", [damage, lambda path: path.unlink()])
    def test_bad_copies(self, run, models, file, place, harm):
        folder = locate(NAMES[0]).folder if place == "cache" else models[NAMES[0]]
        harm(folder / file)
        if place == "cache" and file not in USED and not (folder / file).exists():
            # To load a model brings no card and no pictures.
            assert run("verify")[0] == 0
            return
        code, lines, said = run("verify")
        assert code == 6
        assert [line.split()[:3] for line in lines if "DAMAGED" in line] == [
            [NAMES[0], place, "DAMAGED"]
        ]
        # The middle of a long path is cut.
        assert str(folder)[:30] in said and file[:8] in said and said.count("\n") == 1
        assert ("drawzoo pull" in said) is (place == "cache")
        code, lines, _ = run("verify", "--json")
        assert code == 6
        (bad,) = (row for row in json.loads("\n".join(lines)) if row["problems"])
        assert (bad["source"], len(bad["problems"])) == (place, 1)
        assert run("verify", NAMES[1])[0] == 0

    def test_no_copy(self, run, models):
        shutil.rmtree(models[NAMES[0]])
        assert run("verify")[0] == 0
        code, _, said = run("verify", NAMES[0])
        assert code == 6 and f"drawzoo pull {NAMES[0]}" in said

    def test_other_cache(self, run, models, tmp_path):
        damage(locate(NAMES[0], cache=tmp_path / "other").folder / CARD)
        assert run("verify")[0] == 0
        assert run("verify", "--cache-dir", tmp_path / "other")[0] == 6

    def test_unknown_name(self, run, models):
        code, _, said = run("verify", "draw-mnits")
        assert code == 4 and "did you mean draw-mnist" in said


class TestCache:
    @pytest.fixture
    def full(self, models, loopback):
        """A cache with two models, an old commit of one, a stranger's, and what is no model."""
        files = {path.name: path.read_bytes() for path in models[NAMES[0]].iterdir()}
        for name in NAMES:
            locate(name)
        fetch("user/draw-mnist", loopback.commit("user/draw-mnist", files, "old"), [CONFIG])
        locate(f"hf-hub:a/b@{loopback.commit('a/b', files)}")
        fetch("a/other", loopback.commit("a/other", {CONFIG: b"{}"}), [CONFIG])
        return hub_cache()

    def rows(self, run):
        code, lines, _ = run("cache", "ls", "--json")
        assert code == 0
        return {(r["repository"], r["model"]): r for r in json.loads("\n".join(lines))}

    def test_ls(self, run, full, models):
        rows = self.rows(run)
        assert set(rows) == {
            ("a/b", None),
            ("user/draw-mnist", "draw-mnist"),
            ("user/draw-mnist", None),
            ("user/model3-mnist", "model3-mnist"),
        }
        row = rows["user/model3-mnist", "model3-mnist"]
        folder = models["model3-mnist"]
        assert row["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
        assert row["folder"] == str(cached("model3-mnist"))
        code, lines, _ = run("cache", "ls")
        assert code == 0 and len(lines) == 5

    @pytest.mark.parametrize("command", [["ls"], ["prune"]])
    def test_no_cache(self, run, models, command):
        assert run("cache", *command)[0] == 0
        hub_cache().parent.mkdir(parents=True)
        hub_cache().touch()
        assert run("cache", *command)[0] == 0

    def test_rm(self, run, full):
        code, lines, said = run("cache", "rm", "model3-mnist", "hf-hub:a/b", "--dry-run")
        assert code == 0 and len(lines) == 2 and "nothing was removed" in said
        assert len(self.rows(run)) == 4
        code, again, said = run("cache", "rm", "model3-mnist", "hf-hub:a/b")
        assert (code, again) == (0, lines) and "bytes are free" in said
        assert set(self.rows(run)) == {
            ("user/draw-mnist", "draw-mnist"),
            ("user/draw-mnist", None),
        }
        assert repository_folder("a/other", full).is_dir()

    def test_rm_one_commit(self, run, full):
        commit = self.rows(run)["user/draw-mnist", None]["commit"]
        assert run("cache", "rm", f"hf-hub:user/draw-mnist@{commit}")[0] == 0
        assert len(self.rows(run)) == 3
        assert locate("draw-mnist").source == "cache"

    @pytest.mark.parametrize("name", ["hf-hub:a/other", "hf-hub:a/none", "draw-mnits"])
    def test_rm_what_is_not_there(self, run, full, name):
        code, _, said = run("cache", "rm", "model3-mnist", name)
        assert code == 4 and said.count("\n") == 1
        assert len(self.rows(run)) == 4

    def test_prune(self, run, full):
        blobs = repository_folder("user/draw-mnist", full) / "blobs"
        old, new = blobs / "a.1.incomplete", blobs / "b.2.incomplete"
        for path in (old, new):
            path.write_bytes(b"half")
        os.utime(old, (0, time.time() - 7200))
        assert run("cache", "prune", "--dry-run")[0] == 0
        assert old.exists() and len(self.rows(run)) == 4
        code, (line,), _ = run("cache", "prune")
        assert code == 0 and line.startswith("user/draw-mnist@")
        # Another process may be at work on the younger one.
        assert not old.exists() and new.exists()
        assert set(self.rows(run)) == {
            ("a/b", None),
            ("user/draw-mnist", "draw-mnist"),
            ("user/model3-mnist", "model3-mnist"),
        }
        assert run("verify")[0] == 0


def fetch(repository, commit, files):
    from drawzoo.hub_client import fetch

    for file in files:
        path = fetch(
            repository, commit, file, hub_cache(), limit=10**6, report=lambda arrived: None
        )
        assert path == snapshot(repository, commit, hub_cache()) / file
