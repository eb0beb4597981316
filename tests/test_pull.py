"""`drawzoo pull`: what it prints, where it puts models, and that it survives being killed."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest
from PIL import Image
from selection import quick

import drawzoo
from drawzoo.cli import loading
from drawzoo.disk.paths import hub_cache
from drawzoo.schema.manifest import CONFIG, FILES, USED, WEIGHTS
from drawzoo.store import published
from drawzoo.store import sources as hub
from drawzoo.store.sources import cached, snapshot

NAMES = ("draw-mnist", "model3-mnist")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestPull:
    def test_all_of_them_twice(self, run, models, loopback):
        code, lines, said = run("pull", "--all", "--source", "hub")
        assert code == 0
        assert lines == [str(cached(name)) for name in NAMES]
        assert [contents(cached(name)) for name in NAMES] == [contents(f) for f in models.values()]
        assert said.count("from the Hub, commit") == 2
        loopback.requests.clear()
        code, again, said = run("pull", *NAMES)
        assert (code, again) == (0, lines)
        assert said.count("already in the cache, verified") == 2
        assert loopback.requests == []

    def test_json(self, run, models):
        code, (line,), said = run("pull", NAMES[0], "--json")
        found = json.loads(line)
        assert found == {
            "name": NAMES[0],
            "folder": str(cached(NAMES[0])),
            "source": "hub",
            "commit": hub.manifest()[NAMES[0]].commit,
        }
        assert (code, said) == (0, "")

    def test_dry_run_fetches_nothing(self, run, models, loopback):
        sizes = [pin.bytes for pin in hub.manifest()[NAMES[0]].files.values()]
        code, (line,), _ = run("pull", NAMES[0], "--dry-run")
        assert (code, line) == (0, f"{NAMES[0]}: hub, {sum(sizes):,} bytes to fetch")
        _, (line,), _ = run("pull", NAMES[0], "--dry-run", "--json")
        assert json.loads(line)["bytes"] == sum(sizes)
        _, (line,), _ = run("pull", NAMES[0], "--dry-run", "--source", "shipped")
        assert line == f"{NAMES[0]}: shipped, 0 bytes to fetch"
        assert loopback.requests == []
        assert not hub_cache().exists()
        run("pull", NAMES[0])
        (cached(NAMES[0]) / WEIGHTS).unlink()
        _, (line,), _ = run("pull", NAMES[0], "--dry-run")
        assert line == f"{NAMES[0]}: hub, {sizes[1]:,} bytes to fetch"
        run("pull", NAMES[0])
        _, (line,), _ = run("pull", NAMES[0], "--dry-run")
        assert line == f"{NAMES[0]}: cache, 0 bytes to fetch"

    def test_dry_run_of_an_address(self, run, models, loopback):
        code, (line,), said = run("pull", f"hf-hub:user/{NAMES[0]}", "--dry-run", "--json")
        found, published = json.loads(line), hub.manifest()[NAMES[0]]
        assert (code, found["commit"]) == (0, published.commit)
        assert found["bytes"] == sum(published.files[file].bytes for file in (CONFIG, WEIGHTS))
        assert not [path for path in loopback.paths("GET") if "resolve" in path]

    @pytest.mark.parametrize("source", ["hub", "shipped"])
    def test_to_a_folder(self, run, models, tmp_path, source):
        code, lines, _ = run("pull", "--all", "--source", source, "--to", tmp_path / "stick" / "x")
        assert code == 0
        assert lines == [str(tmp_path / "stick" / "x" / name) for name in NAMES]
        for name, line in zip(NAMES, lines, strict=True):
            assert contents(tmp_path / line) == contents(models[name])
            drawzoo.load(f"local-dir:{line}")

    def test_to_a_folder_that_cannot_be(self, run, models, tmp_path):
        (tmp_path / "file").touch()
        code, lines, said = run("pull", NAMES[0], "--to", tmp_path / "file" / "x")
        assert (code, lines) == (8, [])
        assert said.startswith("Error: cannot make the folder") and said.count("\n") == 1

    def test_cache_dir(self, run, models, tmp_path):
        code, (line,), _ = run("pull", NAMES[0], "--cache-dir", tmp_path / "mine")
        assert code == 0 and line.startswith(str(tmp_path / "mine"))
        assert not hub_cache().exists()

    def test_home_of_the_client(self, run, models, monkeypatch, tmp_path):
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        _, (line,), _ = run("pull", NAMES[0])
        assert line.startswith(str(tmp_path / "home" / "hub"))
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "other"))
        _, (line,), _ = run("pull", NAMES[0])
        assert line.startswith(str(tmp_path / "other"))

    def test_address(self, run, models, loopback, tmp_path):
        commit = loopback.commit("a/b", contents(models[NAMES[0]]))
        code, (line,), said = run("pull", "hf-hub:a/b@main", "--to", tmp_path / "to")
        assert (code, line) == (0, str(tmp_path / "to" / "b"))
        assert said.startswith("hf-hub:a/b") and commit in said
        assert loopback.paths().count("/api/models/a/b/revision/main") == 1
        drawzoo.load(f"hf-hub:a/b@{commit}")

    def test_address_of_what_is_no_model(self, run, models, loopback, tmp_path):
        files = contents(models[NAMES[0]])
        loopback.commit("a/b", files | {WEIGHTS: files[WEIGHTS][:-1]})
        code, lines, said = run("pull", "hf-hub:a/b", "--to", tmp_path / "to")
        assert (code, lines) == (6, [])
        assert "damaged" in said.splitlines()[-1]
        assert not (tmp_path / "to").exists()

    @pytest.mark.parametrize(
        "args",
        [
            [],
            ["--all", NAMES[0]],
            ["hf-hub:a/b", "--source", "shipped"],
            ["local-dir:x", "--source", "hub"],
            [NAMES[0], "--source", "moon"],
        ],
    )
    def test_wrong_usage(self, run, models, args):
        code, lines, said = run("pull", *args)
        assert (code, lines) == (2, [])
        assert said.startswith("Error: ") and said.count("\n") == 1

    def test_hub_that_is_down(self, run, models, loopback):
        loopback.fault("status", 503)
        code, lines, said = run("pull", NAMES[0], "--source", "hub")
        assert (code, lines) == (10, [])
        assert said == f"Error: {FILES[0]} of user/{NAMES[0]}: " + (
            "the Hub is not available (HTTP 503); try again later\n"
        )

    def test_wrong_bytes(self, run, models, loopback):
        loopback.fault("wrong", path=WEIGHTS)
        code, lines, said = run("pull", NAMES[0])
        assert (code, lines) == (6, [])
        assert "expected" in said and said.count("\n") == 1


def test_list_and_info_say_where_a_model_is_and_fetch_nothing(run, models, loopback):
    def source():
        code, lines, _ = run("list", NAMES[0], "--json")
        assert code == 0
        return json.loads("\n".join(lines))[0]["source"]

    assert source() == "shipped"
    folder = hub.pull(NAMES[0]).folder
    loopback.requests.clear()
    assert source() == "cache"
    for name, found in zip(NAMES, (folder, models[NAMES[1]]), strict=True):
        code, lines, _ = run("info", name, "--json")
        assert (code, json.loads("\n".join(lines))["folder"]) == (0, str(found))
    assert loopback.requests == []


@pytest.mark.parametrize(
    "args",
    [
        ["sample", "--num", "1", "--out", "x.png"],
        ["encode", "photo.png", "--transform", "photo", "--out", "codes.safetensors"],
    ],
)
def test_what_a_command_fetches_by_itself_has_a_bar(run, models, monkeypatch, tmp_path, args):
    """Once, and of the bytes that are needed: no card, no pictures."""
    shown = []

    @contextlib.contextmanager
    def bar(what):
        yield lambda arrived, expected: shown.append((what, arrived, expected))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "download_progress", bar)
    Image.linear_gradient("L").save("photo.png")
    shutil.rmtree(models[NAMES[0]])
    for _ in range(2):
        code, _, said = run(args[0], NAMES[0], *args[1:])
        assert code == 0, said
    size = sum(pin.bytes for file, pin in hub.manifest()[NAMES[0]].files.items() if file in USED)
    assert {(name, expected) for name, _, expected in shown} == {(NAMES[0], size)}
    assert [arrived for _, arrived, _ in shown][-1] == size
    assert {path.name for path in cached(NAMES[0]).iterdir()} == set(USED)
    # What is missing comes with the next pull.
    assert run("pull", NAMES[0])[0] == 0
    assert {path.name for path in cached(NAMES[0]).iterdir()} == set(FILES)


NOWHERE = ["http://127.0.0.1:9", "nonsense", "http://192.0.2.1", "http://nowhere.invalid"]


class TestProcess:
    """As a user runs it, with settings in the environment."""

    @pytest.fixture
    def start(self, models):
        code = (
            "import pathlib, sys; from drawzoo.store import published; "
            "from drawzoo.cli import main; "
            "there = published.Shelf(pathlib.Path(sys.argv[1]), pathlib.Path()); "
            "published._find = lambda package: there; main(sys.argv[2:])"
        )

        def start(*args, limit=None, **env):
            def bound():
                import resource

                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

            return subprocess.Popen(
                [sys.executable, "-c", code, published.shelf("drawzoo").manifest, *args],
                env=os.environ | env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=bound if limit else None,
            )

        return start

    def test_offline(self, start, loopback):
        process = start("pull", NAMES[0], "--source", "hub", HF_HUB_OFFLINE="1")
        out, said = process.communicate(timeout=100)
        assert (process.returncode, out) == (10, "")
        assert "HF_HUB_OFFLINE is set" in said and said.count("\n") == 1
        assert loopback.requests == []

    @pytest.mark.parametrize("endpoint", quick(NOWHERE, *NOWHERE[:2]))
    def test_unreachable(self, start, endpoint):
        env = {"HF_ENDPOINT": endpoint, "HF_HUB_DOWNLOAD_TIMEOUT": "2"}
        process = start("pull", NAMES[0], "--source", "hub", **env)
        out, said = process.communicate(timeout=100)
        assert (process.returncode, out) == (10, "")
        assert "cannot be reached" in said and said.count("\n") == 1

    def test_files_that_cannot_grow(self, start, run, models):
        """As on a full disk: the writing of a file fails in its middle."""
        process = start("pull", NAMES[0], "--source", "hub", limit=100)
        out, said = process.communicate(timeout=100)
        assert (process.returncode, out) == (8, "")
        assert "make room" in said and said.count("\n") == 1
        assert run("pull", NAMES[0], "--source", "hub")[0] == 0
        assert contents(cached(NAMES[0])) == contents(models[NAMES[0]])

    @pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
    def test_killed_at_any_moment(self, start, run, models, loopback, times):
        size = (models[NAMES[0]] / WEIGHTS).stat().st_size
        moments = random.Random(0)
        for _ in range(times):
            loopback.requests.clear()
            loopback.fault("slow", 2 * size, method="GET")
            process = start("pull", NAMES[0], "--source", "hub")
            # The moments lie between the first request and the end, half a second later.
            deadline = time.monotonic() + 100
            while not loopback.requests and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.7))
            process.kill()
            process.communicate()
        loopback.faults.clear()
        code, (folder,), _ = run("pull", NAMES[0], "--source", "hub")
        assert (code, contents(cached(NAMES[0]))) == (0, contents(models[NAMES[0]]))
        assert folder == str(cached(NAMES[0]))


KILLED = """
import os, pathlib, random, signal, sys, time
import huggingface_hub
from drawzoo.store import published
from drawzoo.store import sources as hub

there = published.Shelf(pathlib.Path(sys.argv[1]), pathlib.Path())
published._find = lambda package: there
moments = random.Random(0)
for turn in range(20):
    child = os.fork()
    if child == 0:
        hub.pull(sys.argv[2], "hub")
        os._exit(0)
    time.sleep(turn and moments.uniform(0, 0.5))
    os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    assert turn or code  # the first is killed before it can have fetched anything
"""


def test_killed_twenty_times(run, models, loopback):
    """What a pull that is killed leaves is not used, and not in the way of the next."""
    name = NAMES[0]
    loopback.fault("slow", 2 * (models[name] / WEIGHTS).stat().st_size, method="GET")
    subprocess.run(
        [sys.executable, "-c", KILLED, published.shelf("drawzoo").manifest, name], check=True
    )
    loopback.faults.clear()
    assert run("pull", name, "--source", "hub")[0] == 0
    assert contents(cached(name)) == contents(models[name])


def test_listing_needs_neither_torch_nor_the_client():
    code = (
        "import sys; from drawzoo.cli import cli\n"
        "for args in (['--help'], ['list'], ['plugins'], ['pull', '--help']):\n"
        "    cli.main(args, standalone_mode=False)\n"
        "assert not {'torch', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_cache_is_laid_out_as_the_client_does(models):
    from huggingface_hub import try_to_load_from_cache

    folder = hub.pull(NAMES[0]).folder
    published = hub.manifest()[NAMES[0]]
    found = try_to_load_from_cache(
        published.repository, WEIGHTS, cache_dir=hub_cache(), revision=published.commit
    )
    assert folder / WEIGHTS == snapshot(published.repository, published.commit, hub_cache()) / (
        WEIGHTS
    )
    assert str(folder / WEIGHTS) == found
