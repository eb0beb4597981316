"""The command line: what it prints where, its exit codes, and what it leaves on the disk."""

import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import drawzoo
from drawzoo.cli import COMMANDS
from drawzoo.evaluation.bound import BoundFigure
from drawzoo.evaluation.measure import evaluate
from drawzoo.render.grid import PADDING, grid, png
from drawzoo.schema import manifest as manifest_module
from drawzoo.schema.figures import facts
from drawzoo.schema.manifest import FILES, Published, pin
from drawzoo.store import sources as hub


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


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A shipped `draw-mnist` with two figures; nothing else is published."""
    folder = tmp_path / "shipped" / "draw-mnist"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(name.encode())
    figure = BoundFigure(
        model="draw-mnist",
        dataset="mnist",
        split="test",
        images=10,
        seed=0,
        nats_mean=90.5,
        nats_std=1.0,
        nats_stderr=0.1,
        kl=20.0,
        reconstruction=70.5,
    )
    other = msgspec.structs.replace(figure, split="train", nats_mean=80.5, reconstruction=60.5)
    entry = Published(
        repository="drawzoo/draw-mnist",
        commit=None,
        parameters=1234567,
        files={name: pin(folder / name) for name in FILES},
        figures=[facts(other), facts(figure)],
    )
    for module in (hub, manifest_module):
        monkeypatch.setattr(module, "manifest", lambda: {"draw-mnist": entry})
    monkeypatch.setattr(hub, "shipped", lambda name: folder if name == "draw-mnist" else None)
    return folder


class TestList:
    KEYS = {"name", "variant", "dataset", "plugin", "steps", "parameters", "bytes", "sha256"}
    KEYS |= {"bound_nats", "source"}

    def test_json(self, invoke, published):
        code, out, err = invoke("list", "--json")
        assert code == 0 and err == ""
        rows = {row["name"]: row for row in json.loads(out)}
        assert list(rows) == sorted(rows)
        assert {"draw-mnist", "model3-mnist"} <= set(rows)
        assert all(row.keys() >= self.KEYS for row in rows.values())
        row = rows["draw-mnist"]
        weights = pin(published / "model.safetensors")
        expected = {"name": "draw-mnist", "variant": "draw", "dataset": "mnist", "steps": 10}
        expected |= {"plugin": "drawzoo", "parameters": 1234567, "bytes": weights.bytes}
        expected |= {"sha256": weights.sha256, "bound_nats": 90.5, "source": "shipped"}
        assert expected.items() <= row.items()
        unknown = {key: rows["model3-mnist"][key] for key in ("parameters", "bytes", "bound_nats")}
        assert set(unknown.values()) == {None}

    def test_table(self, invoke, published):
        code, out, err = invoke("list")
        assert code == 0 and err == ""
        (line,) = (line for line in out.splitlines() if line.startswith("draw-mnist "))
        assert "1,234,567" in line and "90.50" in line and "shipped" in line
        assert "\x1b" not in out

    def test_pattern(self, invoke):
        rows = json.loads(invoke("list", "model3-m*", "--json")[1])
        assert [row["name"] for row in rows] == ["model3-mnist"]

    def test_info(self, invoke, published, model):
        code, out, err = invoke("info", "draw-mnist", "--json")
        facts = json.loads(out)
        assert code == 0 and err == ""
        assert facts["name"] == "draw-mnist" and facts["config"]["steps"] == 10
        assert facts["data"]["licence"] == "CC BY-SA 3.0"
        assert facts["files"]["config.json"]["sha256"] == pin(published / "config.json").sha256
        assert invoke("info", "draw-mnist")[0] == 0
        facts = json.loads(invoke("info", model, "--json")[1])
        assert facts["config"]["decoder"]["config"] == {"units": 8}
        assert "decoder" in invoke("info", model)[1]

    def test_pull(self, invoke, published, caplog):
        code, out, err = invoke("pull", "draw-mnist")
        assert code == 0 and "is good" in err + caplog.text
        assert out == f"{published}\n"
        code, out, err = invoke("pull", "--all", "--json")
        assert code == 0 and json.loads(out)["source"] == "shipped"


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


class TestEvaluate:
    KEYS = ["model", "dataset", "split", "protocol", "images", "nats_mean", "nats_std"]
    KEYS += ["kl", "reconstruction", "seed"]

    def test_json(self, invoke, model, data):
        code, out, err = invoke("evaluate", model, "--data", data, "--json")
        assert code == 0 and err == ""
        figure = json.loads(out)
        assert figure.keys() >= set(self.KEYS)
        assert (figure["model"], figure["dataset"], figure["split"]) == (model, "mnist", "test")
        assert (figure["protocol"], figure["images"], figure["seed"]) == ("bound", 300, 0)
        assert figure["nats_mean"] == pytest.approx(
            figure["kl"] + figure["reconstruction"], abs=1e-3
        )
        assert figure["nats_std"] > 0

    def test_figure_depends_on_the_seed_alone(self, invoke, model, data):
        args = ("evaluate", model, "--data", data, "--json", "--seed")
        first = invoke(*args, 3)[1]
        torch.manual_seed(5)
        assert invoke(*args, 3)[1] == first
        assert json.loads(invoke(*args, 4)[1])["nats_mean"] != json.loads(first)["nats_mean"]

    def test_other_data(self, invoke, model):
        code, out, _ = invoke(
            "evaluate", model, "--dataset", "synthetic", "--split", "valid", "--json"
        )
        figure = json.loads(out)
        assert code == 0
        assert (figure["dataset"], figure["split"], figure["images"]) == ("synthetic", "valid", 200)

    def test_text_has_the_same_figures(self, invoke, model, data):
        figure = json.loads(invoke("evaluate", model, "--data", data, "--json")[1])
        code, out, _ = invoke("evaluate", model, "--data", data)
        assert code == 0 and out.count("\n") == 1
        assert f"{figure['nats_mean']:.2f}" in out and f"{figure['kl']:.2f}" in out

    def test_several_models(self, invoke, model, data):
        code, out, _ = invoke("evaluate", model, model, "--data", data, "--json")
        assert code == 0 and out.count("\n") == 2

    def test_against_another(self, invoke, model, data):
        code, out, _ = invoke("evaluate", model, "--against", model, "--data", data, "--json")
        found = json.loads(out)
        assert code == 0 and found["against"] == model
        assert found["nats_better"] == found["nats_stderr"] == 0
        code, out, _ = invoke("evaluate", model, "--against", model, "--data", data)
        assert "+0.00 ± 0.00 nats better than" in out

    @pytest.mark.parametrize(
        "args, code, word",
        [
            (["--dataset", "mnits"], 4, "did you mean mnist"),
            (["--seed", "-1"], 2, "--seed"),
            (["--seed", str(2**70)], 2, "--seed"),
            (["--split", "tset"], 5, "did you mean test"),
            (["--dataset", "binarized-mnist", "--data", "."], 5, "--data"),
        ],
    )
    def test_refusals(self, fails, monkeypatch, tmp_path, model, args, code, word):
        monkeypatch.chdir(tmp_path)

        def offline(*_, **__):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(socket, "getaddrinfo", offline)
        found, line = fails("evaluate", model, *args)
        assert found == code and word in line

    def test_is_the_mean_of_the_bound(self, model):
        from drawzoo.data.images import load_dataset

        loaded, images = drawzoo.load(model), load_dataset("synthetic", "test", None)
        binary = 255 * (images.pixels > 127).to(torch.uint8)
        images = images._replace(pixels=binary, binarize=False)
        figure = evaluate(loaded, "bound", images, dataset="synthetic", split="test", seed=2)
        generator = torch.Generator().manual_seed(2)
        bound = loaded.bound(images.batch(torch.arange(200)), generator=generator)
        assert figure.nats_mean == pytest.approx(bound.nats.double().mean().item(), abs=1e-3)
        assert figure.nats_std == pytest.approx(bound.nats.double().std().item(), rel=1e-2)
        assert figure.kl == pytest.approx(bound.kl.sum(dim=0).mean().item(), abs=1e-3)


class TestSample:
    @pytest.fixture
    def sample(self, invoke, model, tmp_path):
        """Samples to a file; gives its bytes."""

        def call(*args):
            out = tmp_path / "x.png"
            code, text, err = invoke("sample", model, "--out", out, *args)
            assert code == 0 and text == "" and str(out) in err
            return out.read_bytes()

        return call

    def test_same_seed_same_bytes(self, sample):
        first = sample("--num", "4", "--seed", "7")
        assert sample("--num", "4", "--seed", "7") == first
        assert sample("--num", "4", "--seed", "8") != first

    def test_only_a_file_that_was_named_is_replaced(self, invoke, model, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("samples.png").write_bytes(b"old")
        for number in (1, 2):
            code, _, err = invoke("sample", model, "--num", "1")
            assert code == 0 and f"samples-{number}.png" in err
        assert Path("samples.png").read_bytes() == b"old"
        assert invoke("sample", model, "--num", "1", "--out", "samples.png")[0] == 0
        assert Path("samples.png").read_bytes() == Path("samples-1.png").read_bytes()

    def test_fewer_steps_are_an_earlier_stage(self, sample, model):
        drawing = drawzoo.load(model).draw(4, generator=torch.Generator().manual_seed(0))
        for steps in (1, 2):
            picture = Image.open(io.BytesIO(sample("--num", "4", "--steps", str(steps))))
            scale = (picture.width - PADDING) // 2 // 28
            assert sample("--num", "4", "--steps", str(steps)) == png(
                grid(drawing.images[steps - 1], scale)
            )
        assert sample("--num", "4", "--steps", "2") == sample("--num", "4")

    @pytest.mark.parametrize("gif", [False, True])
    def test_more_steps_than_trained_are_said_once(self, invoke, model, tmp_path, gif):
        out = tmp_path / "x.png"
        args = ["--gif", tmp_path / "x.gif"] if gif else []
        code, _, err = invoke("sample", model, "--steps", "4", "--num", "2", "--out", out, *args)
        assert code == 0 and out.exists()
        assert err.count("trained with 2 steps") == 1

    def test_many(self, sample):
        with Image.open(io.BytesIO(sample("--num", "300"))) as picture:
            # 18 × 17 images.
            scale = (picture.width - PADDING) // 18 // 28
            side = 28 * scale + PADDING
            assert picture.size == (18 * side + PADDING, 17 * side + PADDING)

    @pytest.mark.parametrize("num", [1, 5])
    def test_gif(self, sample, tmp_path, num):
        gif = tmp_path / "x.gif"
        sample("--num", str(num), "--gif", str(gif))
        with Image.open(gif) as picture:
            assert picture.format == "GIF" and picture.n_frames == 3
        before = gif.read_bytes()
        sample("--num", str(num), "--gif", str(gif))
        assert gif.read_bytes() == before

    def test_picture_in_the_terminal_if_asked_for(self, invoke, model, tmp_path):
        code, out, err = invoke(
            "sample", model, "--num", "4", "--show", "--out", tmp_path / "x.png"
        )
        assert code == 0
        assert len(out.splitlines()) > 5 and set(out) <= set(" ░▒▓█\n")
        assert "drawings in" in err

    def test_nothing_is_written_where_something_is_wrong(self, fails, model, tmp_path):
        out = tmp_path / "x.png"
        code, _ = fails("sample", model, "--out", out, "--gif", tmp_path / "missing" / "x.gif")
        assert code == 8 and not out.exists()

    @pytest.mark.parametrize("name", ["x.png", "folder", "file/x.png"])
    def test_old_files_stay_where_something_is_wrong(self, fails, trained, tmp_path, name):
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_bytes(b"old")
        (tmp_path / "x.png").write_bytes(b"old")
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "config.json").write_bytes((trained / "config.json").read_bytes())
        assert fails("sample", f"local-dir:{broken}", "--out", tmp_path / name)[0] in (6, 8)
        assert (tmp_path / "x.png").read_bytes() == b"old"
        assert (tmp_path / "file").read_bytes() == b"old"
        assert {path.name for path in tmp_path.iterdir()} == {"folder", "file", "x.png", "broken"}
