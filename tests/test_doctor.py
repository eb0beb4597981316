"""`drawzoo doctor`: whatever is broken, it says so, and goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from selection import quick

import drawzoo
from drawzoo.doctor import installation, machine, places
from drawzoo.registry.loader import Plugin, Plugins, installed
from drawzoo.registry.registry import Entry

WELL = {
    "torch": {"version": "2.14", "threads": 2, "vectors": "AVX2", "devices": []},
    "kernels": {"used": "_kernels_avx2.so", "lanes": 8, "best": 8, "processor": "A processor"},
    "torchvision": {"version": "0.29"},
}


@pytest.fixture
def doctor(invoke, monkeypatch):
    """Runs it; gives exit code, name → checks, and stderr. torch is not tried again each time."""

    def call(*args, found=WELL):
        monkeypatch.setattr(machine, "probe", lambda: found)
        code, out, err = invoke("doctor", "--json", *args)
        said = json.loads(out)
        checks = {}
        for check in said["checks"]:
            checks.setdefault(check["name"], []).append(check)
        assert said["usable"] == (code == 0)
        assert (code == 0) == all(c["state"] != "fault" for some in checks.values() for c in some)
        return code, checks, err

    return call


def only(checks, name):
    (check,) = checks[name]
    return check


def script(*args, **env):
    return subprocess.run(
        [sys.executable, "-m", "drawzoo", "doctor", *args],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, **env},
    )


class TestWell:
    @pytest.mark.slow
    def test_here(self, tmp_path):
        done = script(HF_HUB_CACHE=str(tmp_path / "hub"))
        assert done.returncode == 0 and done.stderr == ""
        lines = done.stdout.splitlines()
        names = [line.split()[1] for line in lines]
        assert names[:5] == ["drawzoo", "python", "packages", "torch", "torchvision"]
        assert names[5:8] == ["processor", "kernels", "plugins"]
        assert names[8:] == ["cache", "data", "hub", "completion"]
        assert drawzoo.__version__ in lines[0]
        assert not (tmp_path / "hub").exists()

    @pytest.mark.slow
    def test_what_a_process_of_its_own_finds(self):
        import torch

        from drawzoo.ops import available

        found = machine.probe()
        assert found.keys() == WELL.keys()
        assert {part: found[part].keys() for part in WELL} == {p: v.keys() for p, v in WELL.items()}
        assert found["torch"]["version"] == torch.__version__
        assert bool(found["kernels"]["used"]) == available()

    def test_json(self, doctor):
        code, checks, err = doctor()
        assert code == 0 and err == ""
        assert all(
            {*c} == {"name", "state", "says", "hint", "facts"} for (c, *_) in checks.values()
        )
        assert only(checks, "torch")["facts"] == {"version": "2.14", "threads": 2, "devices": []}
        assert only(checks, "processor")["facts"]["vectors"] == "AVX2"


BROKEN = {
    "libcudart.so.13": "raise ImportError('libcudart.so.13:\\nno such file')",
    "SIGILL": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
    "no more": "raise SystemExit('no more')",
    "AttributeError": "__version__ = 'x'",
}


class TestTorch:
    def fake(self, folder, text):
        (folder / "torch").mkdir()
        (folder / "torch" / "__init__.py").write_text(text)
        return os.pathsep.join([str(folder), *filter(None, sys.path)])

    @pytest.mark.parametrize("word", quick(BROKEN, "SIGILL"))
    def test_broken(self, tmp_path, word):
        done = script("--json", PYTHONPATH=self.fake(tmp_path, BROKEN[word]))
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        assert checks["torch"]["state"] == "fault" and word in checks["torch"]["says"]
        assert "pip install" in checks["torch"]["hint"]
        assert checks["plugins"]["state"] == "ok" and checks["data"]["state"] == "ok"

    def test_that_never_ends(self, monkeypatch, doctor):
        monkeypatch.setattr(machine, "LIMIT_S", 0.1)
        monkeypatch.setattr(machine, "_START", "import time; time.sleep(60)")
        found = machine.probe()
        code, checks, err = doctor(found=found)
        assert code == 1 and "took over 0.1 s" in only(checks, "torch")["says"]
        assert "torch" in err and err.count("\n") == 1

    def test_torchvision_that_does_not_fit(self, doctor):
        broken = {**WELL, "torchvision": {"error": "RuntimeError: operator torchvision::nms"}}
        code, checks, _ = doctor(found=broken)
        assert code == 1 and "torchvision::nms" in only(checks, "torchvision")["says"]
        assert only(checks, "torch")["state"] == "ok"


class TestKernels:
    def check(self, **part):
        return machine.kernels({**WELL, "kernels": {**WELL["kernels"], **part}})

    def test_loaded(self):
        check = self.check()
        assert check.state == "ok" and "8 numbers" in check.says and check.hint is None

    def test_narrower_than_the_processor(self):
        check = self.check(best=16)
        assert check.state == "note" and "of 16" in check.says and "pip install" in check.hint

    def test_switched_off(self, monkeypatch):
        monkeypatch.setenv("DRAWZOO_KERNELS", "0")
        check = self.check(used=None, lanes=None)
        assert (check.state, check.hint) == ("note", "unset it")

    @pytest.mark.parametrize("compiler", ["/usr/bin/gcc", None])
    def test_not_built(self, monkeypatch, tmp_path, compiler):
        monkeypatch.setattr(drawzoo, "__file__", str(tmp_path / "__init__.py"))
        monkeypatch.setattr(machine.sys, "platform", "linux")
        monkeypatch.setattr(machine.shutil, "which", lambda name: compiler)
        check = self.check(used=None, lanes=None)
        assert check.state == "note" and "slower" in check.says
        assert ("install gcc" in check.hint) == (compiler is None)
        assert check.facts["compiler"] == compiler and check.facts["built"] == []

    def test_built_and_not_loaded(self, monkeypatch, tmp_path):
        (tmp_path / "ops").mkdir()
        (tmp_path / "ops" / "_kernels.so").touch()
        monkeypatch.setattr(drawzoo, "__file__", str(tmp_path / "__init__.py"))
        check = self.check(used=None, lanes=None)
        assert check.state == "note" and check.facts["built"] == ["_kernels.so"]
        assert "can be loaded" in check.says


class TestPlaces:
    def test_a_cache_that_cannot_be_written(self, doctor, tmp_path):
        (tmp_path / "file").touch()
        code, checks, err = doctor("--cache-dir", tmp_path / "file" / "hub")
        check = only(checks, "cache")
        assert (
            code == 1 and "cannot be written" in check["says"] and "HF_HUB_CACHE" in check["hint"]
        )
        assert not check["facts"]["writable"] and "cache" in err

    def test_a_folder_that_forbids_it(self, doctor, tmp_path, monkeypatch):
        def refuse(dir):
            raise PermissionError(13, "Permission denied", str(dir))

        monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
        code, checks, _ = doctor("--cache-dir", tmp_path)
        assert code == 1 and "Permission denied" in only(checks, "cache")["says"]

    def test_size_and_room(self, doctor, tmp_path, monkeypatch):
        (tmp_path / "hub" / "models").mkdir(parents=True)
        (tmp_path / "hub" / "models" / "blob").write_bytes(bytes(1_234))
        (tmp_path / "hub" / "link").symlink_to(tmp_path / "hub" / "models" / "blob")
        _, checks, _ = doctor("--cache-dir", tmp_path / "hub")
        facts = only(checks, "cache")["facts"]
        assert 1_234 <= facts["bytes"] < 2 * 1_234 and facts["free_bytes"] > 0 and facts["writable"]
        monkeypatch.setattr(places, "LITTLE", 10**30)
        code, checks, _ = doctor("--cache-dir", tmp_path / "hub")
        assert code == 0 and only(checks, "cache")["state"] == "note"

    def test_nothing_is_made(self, doctor, tmp_path):
        before = {*tmp_path.rglob("*")}
        doctor("--cache-dir", tmp_path / "new" / "hub")
        assert {*tmp_path.rglob("*")} == before

    def test_data_sets_that_are_here(self, doctor, data):
        code, checks, _ = doctor("--data", data)
        facts = only(checks, "data")["facts"]
        assert code == 0
        assert facts["here"] == dict.fromkeys(
            ["cluttered-mnist", "mnist", "multi-mnist"], ["train", "test"]
        )
        assert {"svhn", "cifar10", "binarized-mnist"} <= {*facts["missing"]}
        assert {"synthetic", "mnist-sample"} <= {*facts["always"]}

    def test_a_split_that_lacks(self, doctor, tmp_path):
        (tmp_path / "svhn").mkdir()
        (tmp_path / "svhn" / "test_32x32.mat").touch()
        _, checks, _ = doctor("--data", tmp_path)
        check = only(checks, "data")
        assert check["facts"]["here"]["svhn"] == ["test"] and "svhn (test)" in check["says"]
        assert check["facts"]["incomplete"] == {"svhn": ["train", "extra"]}

    def test_a_folder_that_is_not_there(self, doctor, tmp_path):
        code, checks, _ = doctor("--data", tmp_path / "nowhere")
        assert code == 1 and "nowhere" in only(checks, "data")["says"]

    def test_no_such_user(self, doctor, monkeypatch):
        monkeypatch.setenv("DRAWZOO_DATA", "~no-such-user/data")
        monkeypatch.setenv("HF_HUB_CACHE", "~no-such-user/hub")
        code, checks, _ = doctor()
        assert code == 1
        assert only(checks, "data")["state"] == only(checks, "cache")["state"] == "fault"

    @pytest.mark.parametrize("name", [e.name for e in installed().registry.entries("dataset")])
    def test_every_data_set_says_its_files(self, name, tmp_path):
        dataset = installed().registry.find("dataset", name).load()
        for split in dataset.splits:
            files = dataset.files(tmp_path, split)
            assert name == "folder" or all(path.is_relative_to(tmp_path) for path in files)


class TestInstalled:
    def test_a_broken_plugin(self, doctor, monkeypatch):
        plugins = Plugins()
        plugins.plugins = [
            *installed().plugins,
            Plugin("bad", "zoo-bad", "1.0", {}, "ImportError: no module named nothing"),
        ]
        plugins.registry = installed().registry
        monkeypatch.setattr("drawzoo.registry.loader.installed", lambda: plugins)
        code, checks, _ = doctor()
        first, broken = checks["plugins"]
        assert code == 1 and first["state"] == "ok" and broken["state"] == "fault"
        assert "no module named nothing" in broken["says"] and "zoo-bad" in broken["hint"]
        assert first["facts"]["broken"] == ["bad"] and "draw" in first["facts"]["loaded"]

    @pytest.mark.slow
    def test_one_that_is_really_broken_says_so_once(self, tmp_path):
        (tmp_path / "broken.py").write_text("raise RuntimeError('broken in two')")
        about = tmp_path / "broken-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[drawzoo]\nbroken = broken\n")
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        for strict in "", "1":
            done = script(PYTHONPATH=path, DRAWZOO_STRICT_PLUGINS=strict)
            assert done.returncode == 1 and done.stderr.count("\n") == 1
            assert done.stdout.count("broken in two") == 1 and "FAULT  plugins" in done.stdout

    def test_without_plugins(self, doctor, monkeypatch):
        monkeypatch.setattr("drawzoo.registry.loader.installed", Plugins)
        code, checks, _ = doctor()
        assert code == 1 and "DRAWZOO_LOAD_PLUGINS" in only(checks, "plugins")["hint"]

    def test_clashes_are_notes(self, doctor, monkeypatch):
        plugins = Plugins()
        plugins.plugins = installed().plugins
        plugins.registry.add(
            [Entry("model", "twin", None, "", f"zoo-{n}", "plugin") for n in ("one", "two")]
        )
        monkeypatch.setattr("drawzoo.registry.loader.installed", lambda: plugins)
        code, checks, _ = doctor()
        assert code == 0 and [check["state"] for check in checks["plugins"]] == ["ok", "note"]
        assert "twin" in checks["plugins"][1]["says"]

    def test_packages(self, monkeypatch):
        check = installation.packages()
        assert check.state == "ok" and {"torch", "click"} <= {*check.facts["versions"]}
        needs = ["click>=99", "no-such-package", 'scipy>=99; extra == "svhn"', "msgspec>=0.1"]
        monkeypatch.setattr(installation, "requires", lambda name: needs)
        check = installation.packages()
        assert check.state == "fault"
        assert "not >=99" in check.says and "no-such-package is missing" in check.says
        assert "scipy" not in check.says and check.facts["versions"]["no-such-package"] is None

    def test_a_checkout_that_is_not_installed(self, monkeypatch):
        def missing(name):
            raise installation.PackageNotFoundError(name)

        monkeypatch.setattr(installation, "requires", missing)
        assert installation.packages().state == "note"


class TestHub:
    def test_is_not_asked(self, doctor, loopback):
        _, checks, _ = doctor()
        assert only(checks, "hub")["facts"]["reachable"] is None and loopback.requests == []

    def test_answers(self, doctor, loopback):
        code, checks, _ = doctor("--online")
        assert code == 0 and only(checks, "hub")["facts"]["reachable"] is True
        assert len(loopback.requests) == 1

    def test_cannot_be_reached(self, doctor, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        code, checks, _ = doctor("--online")
        assert code == 1 and only(checks, "hub")["facts"]["reachable"] is False
        assert "HF_ENDPOINT" in only(checks, "hub")["hint"]


@pytest.mark.slow
def test_needs_no_torch():
    code = (
        "import sys\nfrom drawzoo.cli import main\n"
        "try: main(['doctor'])\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110)
    assert done.stderr == "False\n"


def test_lines_are_short(invoke, monkeypatch):
    monkeypatch.setattr(machine, "probe", lambda: {"end": {"error": "x" * 999}})
    code, out, _ = invoke("doctor")
    assert code == 1 and max(map(len, out.splitlines())) <= 300


def test_the_readme_has_it():
    assert "\ndrawzoo doctor " in (Path(__file__).parents[1] / "README.md").read_text()
