"""The command line: what it prints where, its exit codes, and what it leaves on the disk."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import drawzoo
from drawzoo.cli import COMMANDS


def python(*args, **options):
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, timeout=120, **options
    )


class TestStartUp:
    @pytest.mark.parametrize(
        "args", [["--help"], ["list"], ["list", "--json"], ["plugins"], ["train", "--help"], ["no"]]
    )
    def test_needs_no_torch(self, args):
        code = (
            "import sys\nfrom drawzoo.cli import main\n"
            "try: main(sys.argv[1:])\nfinally: print('torch' in sys.modules, file=sys.stderr)"
        )
        assert python("-c", code, *args).stderr.splitlines()[-1] == "False"

    @pytest.mark.parametrize("module", ["drawzoo", "drawzoo.commands", "drawzoo_draw"])
    def test_importing_needs_no_torch(self, module):
        result = python("-c", f"import sys, {module}; print('torch' in sys.modules)")
        assert result.stdout == "False\n"

    def test_as_a_module(self):
        result = python("-m", "drawzoo", "--version")
        assert result.returncode == 0
        assert result.stdout == f"drawzoo, version {drawzoo.__version__}\n"

    def test_help_names_all_commands(self, invoke):
        code, out, err = invoke("--help")
        assert code == 0 and err == ""
        assert all(f"\n  {name} " in out for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_help_of_each_command(self, invoke, name):
        code, out, err = invoke(name, "--help")
        assert code == 0 and err == "" and f"drawzoo {name}" in out

    @pytest.mark.parametrize(
        ("args", "example"),
        [
            (("sample",), "sample --num 16 --out digits.png"),
            (("train",), "train draw-mnist --epochs 20 --out runs/draw"),
            (("reconstruct",), "reconstruct draw-mnist my-seven.jpg my-two.png --gif drawing.gif"),
            (("compare",), "compare draw-t1-mnist draw-t5-mnist draw-mnist --seed 3"),
            (("encode",), "encode draw-mnist --num 100 --out codes.safetensors"),
            (("analyze", "parameters"), "analyze parameters draw-mnist"),
        ],
    )
    def test_examples_of_the_help_can_be_copied(self, invoke, args, example):
        _, out, _ = invoke(*args, "--help")
        assert f"\n  drawzoo {example}\n" in out

    @pytest.mark.parametrize("args", [("list",), ("list", "--json"), ("--help",)])
    def test_broken_pipe_is_quiet(self, args):
        process = subprocess.Popen(
            [sys.executable, "-m", "drawzoo", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait(60) == 0

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_output_that_cannot_be_written(self, unbuffered):
        with open("/dev/full", "w") as full:  # noqa: PTH123
            process = subprocess.run(
                [sys.executable, "-m", "drawzoo", "list"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )
        assert process.returncode not in (0, 1)
        assert process.stderr.startswith("Error: ") and process.stderr.count("\n") == 1


class TestErrors:
    @pytest.mark.parametrize(
        "args, code, word",
        [
            (["lst"], 2, "did you mean list"),
            (["--nothing"], 2, "--nothing"),
            (["list", "--jsn"], 2, "--json"),
            (["list", "drow-*"], 4, "draw"),
            (["info", "draw-mnits"], 4, "did you mean draw-mnist"),
            (["info"], 2, "MODEL"),
            (["pull"], 2, "--all"),
            (["pull", "draw-mnist", "--all"], 2, "--all"),
            (["pull", "draw-mnits"], 4, "did you mean draw-mnist"),
            (["train"], 2, "'--out'"),
            (["sample", "draw-mnits"], 4, "did you mean draw-mnist"),
            (["sample", "runs/draw"], 4, "local-dir:runs/draw"),
            (["sample", "local-dir:missing"], 6, "missing"),
            (["sample", "--steps", "0"], 2, "--steps"),
            (["sample", "--steps", "-3"], 2, "--steps"),
            (["sample", "--steps", "5000"], 2, "--steps"),
            (["sample", "--steps", "ten"], 2, "--steps"),
            (["sample", "--num", "0"], 2, "--num"),
            (["sample", "--num", "-1"], 2, "--num"),
            (["sample", "--num", "1000000000"], 2, "--num"),
            (["sample", "--seed", "-1"], 2, "--seed"),
            (["sample", "--seed", str(2**64)], 2, "--seed"),
            (["sample", "--out", "missing/x.png"], 8, "create it"),
            (["sample", "--gif", "."], 8, "folder"),
            (["sample", "--gif", "missing/x.gif"], 8, "create it"),
            (["sample", "--gif", "y.mp4"], 2, "say y.gif"),
            (["sample", "--gif", "-"], 2, "names no file"),
            (["sample", "--out", "x.jpg"], 2, "say x.png"),
            (["sample", "--out", "drawing.gif"], 2, "say drawing.png"),
            (["sample", "--out", ""], 2, "after --out is empty"),
            (["sample", "--out", "-"], 2, "names no file"),
            (["sample", "--out", "."], 2, "name a folder in it"),
            (["sample", "--out", "/"], 2, "name a folder in it"),
            (["decode", "draw-mnist", "x", "--out", "x"], 2, "say x.png"),
            (["decode", "draw-mnist", "x", "--out", "."], 8, "folder"),
            (["reconstruct", "draw-mnist", "0", "--out", "x.pdf"], 2, "say x.png"),
            (["encode", "draw-mnist", "0", "--out", "x.pt"], 2, "say x.safetensors"),
            (["analyze", "kernels", "draw-mnist", "--out", "x.svg"], 2, "say x.png"),
            (["analyze", "interpolate", "draw-mnist", "--gif", ""], 2, "after --gif is empty"),
            (["bench", "scaling", "draw-mnist", "--out", "x.jpeg"], 2, "say x.png"),
            (["sample", ":draw-mnist"], 4, "':draw-mnist'"),
            (["analyze", "parameters", "draw-mnist", "--versus="], 2, "after --versus is empty"),
            (["evaluate"], 2, "MODEL"),
            (["evaluate", "draw-mnits"], 4, "did you mean draw-mnist"),
            (["evaluate", "draw-mnist", "--protocol", "bond"], 4, "bound"),
            (["evaluate", "draw-mnist", "--device", "nowhere"], 3, "--device nowhere"),
            (["evaluate", "draw-mnist", "--device", "meta"], 3, "--device meta"),
            (["sample", "draw-mnist", "--device", "hpu"], 3, "--device hpu"),
            (["sample", "draw-mnist", "--device", "mps"], 3, "; try cpu"),
            (["sample", "draw-mnist", "--device", "xla"], 3, "; try cpu"),
            (["sample", "local-dir:~no-such-user/x"], 3, "no such user"),
            (["sample", "local-dir:a\0b"], 2, "control characters"),
            (["evaluate", "draw-mnist", "--data", "~no-such-user"], 3, "no such user"),
            (["train", "draw-mnist", "--out", "a\0b"], 2, "control characters"),
            (["reconstruct", "m", "\x1b]0;owned\x07.png"], 2, "control characters"),
            (["sample", "--out", "\x9b31m.png"], 2, "control characters"),
            (["train", "draw-mnist", "--out", "x", "--set", "steps=" + "[" * 9_999], 2, "deep"),
            (["card", "missing", "--cards", "."], 4, "missing"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_one_line_and_the_documented_code(self, fails, monkeypatch, tmp_path, args, code, word):
        monkeypatch.chdir(tmp_path)
        found, line = fails(*args)
        assert found == code
        assert word in line and len(line) < 310
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_unexpected_ones_too(self, fails, monkeypatch):
        def broken(*_):
            raise RuntimeError("first line\nsecond line")

        monkeypatch.setattr("drawzoo.registry.build.list_models", broken)
        code, line = fails("list")
        assert code == 1
        assert "RuntimeError" in line and "second line" in line and "DRAWZOO_DEBUG=1" in line

    def test_interruption(self, invoke, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("drawzoo.registry.build.list_models", interrupt)
        code, out, err = invoke("list")
        # On a line of its own, after the terminal's ^C.
        assert (code, out, err.lstrip()) == (130, "", "Error: interrupted\n")

    def test_traceback_if_asked_for(self, invoke, monkeypatch):
        monkeypatch.setenv("DRAWZOO_DEBUG", "1")
        code, out, err = invoke("info", "draw-mnits")
        assert code == 4 and out == ""
        assert err.startswith("Traceback (most recent call last)")
        assert "UnknownNameError" in err
        assert err.splitlines()[-1].startswith("Error: there is no model")

    def test_names_from_a_file_do_not_command_the_terminal(self, fails, trained, tmp_path):
        evil = "a\nb\x1b[31m\x9b"
        raw = (trained / "config.json").read_text()
        tensors = load_file(trained / "model.safetensors") | {evil: torch.zeros(1)}
        save_file(tensors, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(raw)
        assert fails("evaluate", f"local-dir:{tmp_path}")[0] == 6
        (tmp_path / "config.json").write_text(json.dumps(json.loads(raw) | {evil: 1}))
        assert fails("evaluate", f"local-dir:{tmp_path}")[0] == 3


class TestPlugins:
    def test_json(self, invoke):
        code, out, err = invoke("plugins", "--json")
        assert code == 0 and err == ""
        result = json.loads(out)
        assert result["clashes"] == []
        rows = {row["name"]: row for row in result["plugins"]}
        assert all(
            row.keys() >= {"name", "distribution", "version", "gives", "error"}
            for row in rows.values()
        )
        assert rows["draw"]["distribution"] == "drawzoo" and rows["draw"]["error"] is None
        assert rows["draw"]["version"] == drawzoo.__version__
        assert "draw-mnist" in rows["draw"]["gives"]["model"]
        assert "synthetic" in rows["data"]["gives"]["dataset"]

    def test_table(self, invoke):
        code, out, _ = invoke("plugins")
        assert code == 0
        assert "draw-mnist" in out and "\x1b" not in out
