"""The command line: what it prints where, its exit codes, and what it leaves on the disk."""

import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import warnings

import msgspec
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import load_file, save_file

import drawzoo
from drawzoo import hub
from drawzoo import manifest as manifest_module
from drawzoo.cli import COMMANDS, main
from drawzoo.evaluation import evaluate_bound
from drawzoo.figures import BoundFigure
from drawzoo.manifest import FILES, Published, pin, read_manifest, verify
from drawzoo.render.grid import PADDING, grid, png

TINY = ("latent=2", "decoder=8", "encoder.units=8", "steps=2", "batch_size=10")


@pytest.fixture
def run(capsys):
    """Runs the command line in this process; gives exit code, stdout and stderr."""

    def call(*args):
        with pytest.raises(SystemExit) as exit, warnings.catch_warnings():
            # As outside of tests, where a warning is no error.
            warnings.simplefilter("always")
            main([str(arg) for arg in args])
        return exit.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def fails(run):
    """Runs a command that must fail; gives its exit code and its one line."""

    def call(*args):
        code, out, err = run(*args)
        assert out == ""
        assert err.startswith("Error: ") and err.endswith("\n") and err[:-1].isprintable()
        return code, err

    return call


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder of a small MNIST in torchvision's layout."""
    root = tmp_path_factory.mktemp("data")
    (root / "MNIST" / "raw").mkdir(parents=True)
    for name, count in (("train", 40), ("t10k", 300)):
        pixels = torch.randint(256, (count, 28, 28), dtype=torch.uint8)
        for kind, x in (("images-idx3", pixels), ("labels-idx1", pixels[:, 0, 0] % 10)):
            head = bytes([0, 0, 8, x.dim()]) + b"".join(n.to_bytes(4, "big") for n in x.shape)
            path = root / "MNIST" / "raw" / f"{name}-{kind}-ubyte"
            path.write_bytes(head + x.numpy().tobytes())
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """The folder of a finished run of a small `draw-mnist`."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    settings = itertools.chain(*(("--set", item) for item in TINY))
    with pytest.raises(SystemExit) as exit:
        main(
            ["train", "draw-mnist", "--data", str(data), "--out", str(folder), *settings]
            + ["--epochs", "3", "--checkpoint-steps", "2"]
        )
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert exit.value.code == 0
    return folder


@pytest.fixture
def model(trained):
    return f"local-dir:{trained}"


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

    @pytest.mark.parametrize("module", ["drawzoo", "drawzoo.hub", "drawzoo_draw", "drawzoo_conv"])
    def test_importing_needs_no_torch(self, module):
        result = python("-c", f"import sys, {module}; print('torch' in sys.modules)")
        assert result.stdout == "False\n"

    def test_as_a_module(self):
        result = python("-m", "drawzoo", "--version")
        assert result.returncode == 0
        assert result.stdout == f"drawzoo, version {drawzoo.__version__}\n"

    def test_help_names_all_commands(self, run):
        code, out, err = run("--help")
        assert code == 0 and err == ""
        assert all(f"\n  {name} " in out for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_help_of_each_command(self, run, name):
        code, out, err = run(name, "--help")
        assert code == 0 and err == "" and f"drawzoo {name}" in out

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
    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:  # noqa: PTH123
            process = subprocess.run(
                [sys.executable, "-m", "drawzoo", "list"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
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
            (["evaluate"], 2, "MODEL"),
            (["evaluate", "draw-mnits"], 4, "did you mean draw-mnist"),
            (["evaluate", "draw-mnist", "--protocol", "bond"], 2, "bound"),
            (["evaluate", "draw-mnist", "--device", "nowhere"], 3, "--device nowhere"),
            (["card", "missing", "--cards", "."], 4, "missing"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_one_line_and_the_documented_code(self, fails, monkeypatch, tmp_path, args, code, word):
        monkeypatch.chdir(tmp_path)
        found, line = fails(*args)
        assert found == code
        assert word in line
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_unexpected_ones_too(self, fails, monkeypatch):
        def broken(*_):
            raise RuntimeError("first line\nsecond line")

        monkeypatch.setattr("drawzoo.zoo.list_models", broken)
        code, line = fails("list")
        assert code == 1
        assert "RuntimeError" in line and "second line" in line and "DRAWZOO_DEBUG=1" in line

    def test_interruption(self, run, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("drawzoo.zoo.list_models", interrupt)
        code, out, err = run("list")
        # On a line of its own, after the terminal's ^C.
        assert (code, out, err.lstrip()) == (130, "", "Error: interrupted\n")

    def test_traceback_if_asked_for(self, run, monkeypatch):
        monkeypatch.setenv("DRAWZOO_DEBUG", "1")
        code, out, err = run("info", "draw-mnits")
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
        figures=[other, figure],
    )
    for module in (hub, manifest_module):
        monkeypatch.setattr(module, "manifest", lambda: {"draw-mnist": entry})
    monkeypatch.setattr(hub, "shipped", lambda name: folder if name == "draw-mnist" else None)
    return folder


class TestList:
    KEYS = {"name", "variant", "dataset", "plugin", "steps", "parameters", "bytes", "sha256"}
    KEYS |= {"bound_nats", "source"}

    def test_json(self, run, published):
        code, out, err = run("list", "--json")
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

    def test_table(self, run, published):
        code, out, err = run("list")
        assert code == 0 and err == ""
        (line,) = (line for line in out.splitlines() if line.startswith("draw-mnist "))
        assert "1,234,567" in line and "90.50" in line and "shipped" in line
        assert "\x1b" not in out

    def test_pattern(self, run):
        rows = json.loads(run("list", "model3-*", "--json")[1])
        assert [row["name"] for row in rows] == ["model3-mnist"]

    def test_info(self, run, published, model):
        code, out, err = run("info", "draw-mnist", "--json")
        facts = json.loads(out)
        assert code == 0 and err == ""
        assert facts["name"] == "draw-mnist" and facts["config"]["steps"] == 10
        assert facts["files"]["config.json"]["sha256"] == pin(published / "config.json").sha256
        assert run("info", "draw-mnist")[0] == 0
        facts = json.loads(run("info", model, "--json")[1])
        assert facts["config"]["decoder"] == 8
        assert "decoder" in run("info", model)[1]

    def test_pull(self, run, published):
        code, out, err = run("pull", "draw-mnist")
        assert code == 0 and "verified" in err
        assert out == f"{published}\n"
        code, out, err = run("pull", "--all", "--json")
        assert code == 0 and json.loads(out)["source"] == "shipped"


class TestPlugins:
    def test_json(self, run):
        code, out, err = run("plugins", "--json")
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

    def test_table(self, run):
        code, out, _ = run("plugins")
        assert code == 0
        assert "draw-mnist" in out and "\x1b" not in out


class TestEvaluate:
    KEYS = ["model", "dataset", "split", "protocol", "images", "nats_mean", "nats_std"]
    KEYS += ["kl", "reconstruction", "seed"]

    def test_json(self, run, model, data):
        code, out, err = run("evaluate", model, "--data", data, "--json")
        assert code == 0 and err == ""
        figure = json.loads(out)
        assert figure.keys() >= set(self.KEYS)
        assert (figure["model"], figure["dataset"], figure["split"]) == (model, "mnist", "test")
        assert (figure["protocol"], figure["images"], figure["seed"]) == ("bound", 300, 0)
        assert figure["nats_mean"] == pytest.approx(
            figure["kl"] + figure["reconstruction"], abs=1e-3
        )
        assert figure["nats_std"] > 0

    def test_figure_depends_on_the_seed_alone(self, run, model, data):
        args = ("evaluate", model, "--data", data, "--json", "--seed")
        first = run(*args, 3)[1]
        torch.manual_seed(5)
        assert run(*args, 3)[1] == first
        assert json.loads(run(*args, 4)[1])["nats_mean"] != json.loads(first)["nats_mean"]

    def test_other_data(self, run, model):
        code, out, _ = run(
            "evaluate", model, "--dataset", "synthetic", "--split", "valid", "--json"
        )
        figure = json.loads(out)
        assert code == 0
        assert (figure["dataset"], figure["split"], figure["images"]) == ("synthetic", "valid", 200)

    def test_text_has_the_same_figures(self, run, model, data):
        figure = json.loads(run("evaluate", model, "--data", data, "--json")[1])
        code, out, _ = run("evaluate", model, "--data", data)
        assert code == 0 and out.count("\n") == 1
        assert f"{figure['nats_mean']:.2f}" in out and f"{figure['kl']:.2f}" in out

    def test_several_models(self, run, model, data):
        code, out, _ = run("evaluate", model, model, "--data", data, "--json")
        assert code == 0 and out.count("\n") == 2

    def test_against_another(self, run, model, data):
        code, out, _ = run("evaluate", model, "--against", model, "--data", data, "--json")
        found = json.loads(out)
        assert code == 0 and found["against"] == model
        assert found["nats_better"] == found["nats_stderr"] == 0
        code, out, _ = run("evaluate", model, "--against", model, "--data", data)
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
        images = images._replace(binarize=False)
        figure = evaluate_bound(loaded, images, dataset="synthetic", split="test", seed=2)
        generator = torch.Generator().manual_seed(2)
        bound = loaded.bound(images.batch(torch.arange(200)), generator=generator)
        assert figure.nats_mean == pytest.approx(bound.double().mean().item(), abs=1e-3)
        assert figure.nats_std == pytest.approx(bound.double().std().item(), rel=1e-2)
        assert figure.kl == pytest.approx(bound.kl.sum(dim=0).mean().item(), abs=1e-3)


class TestSample:
    @pytest.fixture
    def sample(self, run, model, tmp_path):
        """Samples to a file; gives its bytes."""

        def call(*args):
            out = tmp_path / "x.png"
            code, text, err = run("sample", model, "--out", out, *args)
            assert code == 0 and text == "" and str(out) in err
            return out.read_bytes()

        return call

    def test_same_seed_same_bytes(self, sample):
        first = sample("--num", "4", "--seed", "7")
        assert sample("--num", "4", "--seed", "7") == first
        assert sample("--num", "4", "--seed", "8") != first

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
    def test_more_steps_than_trained_are_said_once(self, run, model, tmp_path, gif):
        out = tmp_path / "x.png"
        args = ["--gif", tmp_path / "x.gif"] if gif else []
        code, _, err = run("sample", model, "--steps", "4", "--num", "2", "--out", out, *args)
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

    def test_picture_in_the_terminal_if_asked_for(self, run, model, tmp_path):
        code, out, err = run("sample", model, "--num", "4", "--show", "--out", tmp_path / "x.png")
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


class TestCard:
    def test_makes_a_folder_to_publish(self, run, trained, data, tmp_path):
        made = []
        for name in ("first", "second"):
            cards = tmp_path / name
            cards.mkdir()
            pins = cards / "manifest.json"
            code, out, _ = run(
                "card", trained, "--cards", cards, "--manifest", pins, "--data", data
            )
            folder = cards / "draw-mnist"
            assert code == 0 and out == f"{folder}\n"
            made.append({path.name: path.read_bytes() for path in (*folder.iterdir(), pins)})
            assert {path.name for path in cards.iterdir()} == {"draw-mnist", "manifest.json"}
        assert made[0] == made[1]
        assert sorted(made[0]) == sorted([*FILES, "manifest.json"])
        for name in ("config.json", "model.safetensors"):
            assert made[0][name] == (trained / name).read_bytes()

        card = ModelCard.load(folder / "README.md")
        assert card.data.license == "mit" and card.data.datasets == ["mnist"]
        figures = json.loads(pins.read_text())["models"]["draw-mnist"]["figures"]
        kinds = [(figure["protocol"], figure["dataset"]) for figure in figures]
        protocols = [(name, "mnist") for name in ("bound", "iwae", "generated", "quality")]
        assert kinds == [*protocols, ("bound", "mnist-sample")]
        values = {result.metric_value for result in card.data.eval_results}
        for figure in figures:
            value = figure.get("nats_mean", figure.get("frechet"))
            assert value in values and f"{value:.2f}" in card.text
        assert pin(folder / "model.safetensors").sha256 in card.text
        assert "40 images" in card.text and "3 passes" in card.text
        # A figure is the one that `evaluate` gives for the folder.
        again = json.loads(run("evaluate", f"local-dir:{folder}", "--data", data, "--json")[1])
        assert again | {"model": "draw-mnist"} == figures[0]

    def test_manifest_is_one_that_is_read(self, run, trained, data, tmp_path):
        pins = tmp_path / "manifest.json"
        assert run("card", trained, "--cards", tmp_path, "--manifest", pins, "--data", data)[0] == 0
        verify(tmp_path / "draw-mnist", read_manifest(pins)["draw-mnist"])

    def test_again_from_the_folder(self, run, trained, data, tmp_path, monkeypatch):
        """Without the run and without measuring: the same bytes, and hand-written notes kept."""
        pins = tmp_path / "manifest.json"
        options = ("--cards", tmp_path, "--manifest", pins)
        assert run("card", trained, *options, "--data", data)[0] == 0
        folder = tmp_path / "draw-mnist"

        def contents():
            return {path.name: path.read_bytes() for path in (*folder.iterdir(), pins)}

        def measured(*args, **options):
            raise AssertionError("measured")

        before = contents()
        monkeypatch.setattr("drawzoo.evaluation.measure_for_card", measured)
        (folder / "samples.png").unlink()
        assert run("card", "draw-mnist", *options)[0] == 0
        assert contents() == before
        assert run("card", trained, *options, "--data", data)[0] == 0
        assert contents() == before
        card = folder / "README.md"
        card.write_text(card.read_text() + "\n<!-- notes -->\nMine.\n<!-- /notes -->\n")
        assert run("card", "draw-mnist", *options)[0] == 0
        assert card.read_text().endswith("<!-- notes -->\nMine.\n<!-- /notes -->\n")
        verify(folder, read_manifest(pins)["draw-mnist"])
        code, _, said = run("card", "draw-mnist", *options, "--measure")
        assert code != 0 and "AssertionError: measured" in said

    def test_half(self, run, trained, data, tmp_path):
        """Its figures are those of the file, in 16 bits, as it lies there."""
        pins = tmp_path / "manifest.json"
        options = ("--cards", tmp_path, "--manifest", pins, "--data", data)
        assert run("card", trained, "--half", *options)[0] == 0
        folder = tmp_path / "draw-mnist"
        whole = (trained / "model.safetensors").stat().st_size
        assert (folder / "model.safetensors").stat().st_size < 0.7 * whole
        figures = json.loads(pins.read_text())["models"]["draw-mnist"]["figures"]
        again = json.loads(run("evaluate", f"local-dir:{folder}", "--data", data, "--json")[1])
        assert again | {"model": "draw-mnist"} == figures[0]

    @pytest.mark.parametrize(
        "args, code, words",
        [
            (["draw-mnist"], 6, "drawzoo card RUN"),
            (["draw-mnist", "--half"], 2, "--half"),
            (["no-such-model"], 4, "no-such-model"),
        ],
    )
    def test_models_that_cannot_be(self, fails, tmp_path, args, code, words):
        found, line = fails("card", *args, "--cards", tmp_path)
        assert found == code and words in line

    def test_model_without_a_record(self, fails, trained, tmp_path):
        shutil.copytree(trained, tmp_path / "draw-mnist")
        code, line = fails("card", "draw-mnist", "--cards", tmp_path)
        assert code == 6 and "training.json" in line

    def test_folder_without_a_run(self, fails, tmp_path):
        code, line = fails("card", tmp_path, "--cards", tmp_path)
        assert code == 9 and "no run" in line
