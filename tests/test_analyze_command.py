"""`drawzoo analyze` and `drawzoo reconstruct`: pictures, numbers, and mistakes in one line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import drawzoo
from drawzoo.engine.saving import write_model
from drawzoo.schema.base import override
from drawzoo.store.weights import read_model


@pytest.fixture
def make(tiny, tmp_path):
    """Writes a small model for images of MNIST's size; gives its name."""

    def write(**options):
        folder = tmp_path / "-".join(["model", *map(str, options.values())])
        folder.mkdir()
        config = override(tiny(**options), {"image": [1, 28, 28], "steps": 3})
        model = drawzoo.build(config)
        with torch.no_grad():
            # A new model draws all images nearly alike.
            for parameter in model.parameters():
                parameter.normal_(std=0.5)
        write_model(folder, model.config, model.state_dict())
        return f"local-dir:{folder}"

    return write


@pytest.fixture
def page(tmp_path):
    """A file with a dark stroke on light paper."""
    pixels = np.full((90, 70), 240, dtype=np.uint8)
    pixels[20:70, 30:38] = 20
    Image.fromarray(pixels).save(tmp_path / "page.png")
    return tmp_path / "page.png"


def picture(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.convert("RGB")


def frames(path):
    with Image.open(path) as image:
        return sum(1 for _ in ImageSequence.Iterator(image))


class TestReconstruct:
    def test_a_row_for_each_image_and_its_bound(self, run, make, page, tmp_path):
        model, out, gif = make(), tmp_path / "a.png", tmp_path / "a.gif"
        code, lines, err = run("reconstruct", model, page, 3, "--out", out, "--gif", gif)
        assert code == 0 and "2 images" in err
        assert [line.split()[0] for line in lines] == ["image", "page.png", "mnist-sample"]
        # Four images, of 84 screen pixels each, in two rows.
        assert picture(out).width > 4 * 84 and picture(out).height > 2 * 84
        assert frames(gif) == 4

    def test_the_figures_depend_on_no_other_image(self, run, make, page, tmp_path):
        name, out = make(), ("--json", "--seed", 4, "--out", tmp_path / "a.png")
        code, lines, _ = run("reconstruct", name, page, 3, *out)
        assert code == 0
        both = json.loads("\n".join(lines))["images"]
        alone = json.loads("\n".join(run("reconstruct", name, 3, *out)[1]))["images"]
        assert both[1] == alone[0]
        for row in both:
            assert row["nats"] == pytest.approx(row["kl"] + row["reconstruction"], abs=1e-2)
            assert row["kl"] == pytest.approx(sum(row["kl_steps"]), abs=1e-3)
            assert len(row["kl_steps"]) == 3

    def test_files_with_the_canvas_s_size_may_stay_as_they_are(self, run, make, page, tmp_path):
        out = ("--transform", "none", "--out", tmp_path / "a.png")
        code, _, err = run("reconstruct", make(), page, *out)
        assert code == 5 and "70×90" in err
        assert not (tmp_path / "a.png").exists()

    def test_mistakes_name_the_file(self, run, make, tmp_path):
        model, bad = make(), tmp_path / "bad.png"
        bad.write_bytes(b"no image")
        for image, word in ((bad, "no image"), (tmp_path, "folder"), ("missing.png", "no file")):
            code, lines, err = run("reconstruct", model, 0, image, "--out", tmp_path / "a.png")
            assert code == 5 and lines == [] and err.count("\n") == 1
            assert str(image) in err and word in err
        assert not (tmp_path / "a.png").exists()


class TestSteps:
    def test_picture_and_numbers(self, run, make, page, tmp_path):
        name, out = make(), tmp_path / "steps.png"
        for image in (2, page):
            args = ("--num", 20, "--variants", 2, "--json", "--out", out)
            code, lines, _ = run("analyze", "steps", name, image, *args)
            facts = json.loads("\n".join(lines))
            assert code == 0 and facts["images"] == 20 and facts["dataset"] == "mnist-sample"
            assert [row["step"] for row in facts["steps"]] == [1, 2, 3]
            assert all(row["nats"] > 0 and row["change_replaced"] > 0 for row in facts["steps"])
            assert picture(out).height > 3 * 84

    def test_table(self, run, make, tmp_path):
        args = ("--num", 5, "--variants", 1, "--out", tmp_path / "a.png")
        code, lines, _ = run("analyze", "steps", make(), *args)
        assert code == 0 and len(lines) == 4 and "±" in lines[1]


class TestInterpolate:
    def test_pictures_and_numbers(self, run, make, tmp_path):
        out, gif = tmp_path / "a.png", tmp_path / "a.gif"
        args = ("--num", 4, "--out", out, "--gif", gif, "--json")
        code, lines, _ = run("analyze", "interpolate", make(), 3, 9, *args)
        facts = json.loads("\n".join(lines))
        assert code == 0 and facts["from"] == "mnist-sample 3" and facts["to"] == "mnist-sample 9"
        assert facts["weights"] == [0, 1 / 3, 2 / 3, 1]
        assert {name: len(change) for name, change in facts["change"].items()} == {
            "linear": 3,
            "spherical": 3,
        }
        assert picture(out).width > 6 * 84
        assert frames(gif) >= 3  # equal ones become one

    def test_between_seeds(self, run, make, tmp_path):
        args = ("--seeds", "--json", "--out", tmp_path / "a.png")
        code, lines, _ = run("analyze", "interpolate", make(), 3, 9, *args)
        facts = json.loads("\n".join(lines))
        assert code == 0 and facts["from"] == "seed 3" and facts["seed"] is None
        code, _, err = run("analyze", "interpolate", make(latent=3), "3", "x.png", *args)
        assert code == 2 and err.count("\n") == 1


class TestFilters:
    def test_picture_and_numbers(self, run, make, tmp_path):
        names, out = [make(encoder="conv"), make(encoder="conv", latent=3)], tmp_path / "a.png"
        code, lines, _ = run("analyze", "kernels", *names, "--json", "--out", out)
        found = json.loads("\n".join(lines))["models"]
        assert code == 0 and list(found) == names
        for name in names:
            layer, shape = found[name]["layer"], found[name]["shape"]
            weight = read_model_weights(name)[f"{layer}.weight"]
            assert shape == list(weight.shape) == [3, 1, 5, 5]
            assert torch.tensor(found[name]["kernels"]).allclose(weight)
        # Red and blue, and white between.
        colours = np.asarray(picture(out)).reshape(-1, 3).astype(int)
        assert (colours[:, 0] - colours[:, 2] > 100).any()
        assert (colours[:, 2] - colours[:, 0] > 100).any()

    def test_a_model_without_is_told_so(self, run, make, tmp_path):
        code, lines, err = run("analyze", "kernels", make(), "--out", tmp_path / "a.png")
        assert code == 3 and lines == [] and "no convolution" in err and err.count("\n") == 1
        assert not (tmp_path / "a.png").exists()


def read_model_weights(name):
    from pathlib import Path

    return read_model(Path(name.removeprefix("local-dir:"))).state_dict()


class TestParameters:
    def test_picture_and_numbers(self, run, make, tmp_path):
        names, out = [make(), make(encoder="conv", reader="none")], tmp_path / "a.png"
        code, lines, _ = run("analyze", "parameters", *names, "--json", "--out", out)
        found = json.loads("\n".join(lines))["models"]
        assert code == 0 and list(found) == names
        for name in names:
            total = sum(tensor.numel() for tensor in read_model_weights(name).values())
            assert sum(part["parameters"] for part in found[name]) == total
        assert picture(out).width > 400

    @pytest.mark.slow
    def test_versus_of_published_models(self, run, tmp_path):
        names, out = ("draw-t1-mnist", "model3-mnist"), tmp_path / "a.png"
        args = ("--versus", "steps", "--json", "--out", out)
        code, lines, err = run("analyze", "parameters", *names, *args)
        versus = json.loads("\n".join(lines))["versus"]
        assert code == 0 and versus["values"] == [1, 10]
        assert [figure["model"] for figure in versus["figures"]] == list(names)
        assert "encoder.name" in versus["also_differ"] and "differ in" in err

    def test_versus_needs_published_figures(self, run, make, tmp_path):
        args = ("--versus", "latent.size", "--out", tmp_path / "a.png")
        code, _, err = run("analyze", "parameters", make(), make(latent=3), *args)
        assert code == 3 and "no published bound" in err
        assert not (tmp_path / "a.png").exists()


class TestAttention:
    def test_picture_and_numbers(self, run, make, page, tmp_path):
        out = tmp_path / "a.png"
        args = (page, 1, "--num", 2, "--json", "--out", out)
        code, lines, _ = run("analyze", "attention", make(), *args)
        images = json.loads("\n".join(lines))["images"]
        assert code == 0
        names = [image["image"] for image in images]
        assert names == ["page.png", "mnist-sample 1", "new 1", "new 2"]
        for image in images:
            assert len(image["writes"]) == 3
            # Nothing is read to draw what is new.
            assert (image["reads"] is None) == image["image"].startswith("new")
        assert images[0]["writes"][0].keys() >= {"gx", "gy", "stride", "sigma", "box"}
        assert picture(out).height > 4 * 84

    def test_a_model_that_reads_without_a_window_shows_its_writes(self, run, make, tmp_path):
        args = ("--num", 1, "--json", "--out", tmp_path / "a.png")
        code, lines, _ = run("analyze", "attention", make(reader="whole"), *args)
        images = json.loads("\n".join(lines))["images"]
        assert code == 0 and all(i["reads"] is None and i["writes"] for i in images)

    def test_and_one_that_writes_without_its_reads(self, run, make, tmp_path):
        args = ("--num", 1, "--json", "--out", tmp_path / "a.png")
        code, lines, _ = run("analyze", "attention", make(writer="whole"), *args)
        images = json.loads("\n".join(lines))["images"]
        assert code == 0 and all(image["writes"] is None for image in images)
        assert images[0]["reads"]

    def test_a_model_without_any_is_told_so(self, run, make, tmp_path):
        name = make(reader="whole", writer="whole")
        code, lines, err = run("analyze", "attention", name, "--out", tmp_path / "a.png")
        assert code == 3 and lines == [] and "no attention" in err and err.count("\n") == 1
        assert not (tmp_path / "a.png").exists()


class TestAll:
    @pytest.mark.parametrize("command", ["interpolate", "kernels"])
    def test_twice_the_same_bytes(self, run, make, tmp_path, command):
        name, paths = make(encoder="conv"), [tmp_path / "a.png", tmp_path / "b.png"]
        for path in paths:
            assert run("analyze", command, name, "--out", path)[0] == 0
        assert paths[0].read_bytes() == paths[1].read_bytes()

    @pytest.mark.parametrize("command", ["steps", "interpolate", "attention"])
    def test_mistakes_are_one_line_and_leave_nothing(self, run, make, tiny, tmp_path, command):
        folder, out = tmp_path / "other", tmp_path / "a.png"
        folder.mkdir()
        other = drawzoo.build(tiny())
        write_model(folder, other.config, other.state_dict())
        name = make()
        for args, expected, word in (
            ([name, "999"], 5, "0 to 255"),
            ([name, "9" * 30], 5, "no file"),
            ([name, "--dataset", "nowhere"], 4, "nowhere"),
            ([name, "--split", "train"], 5, "train"),
            ([f"local-dir:{folder}"], 3, "1×6×5"),
            (["draw-mnits"], 4, "did you mean draw-mnist"),
        ):
            code, lines, err = run("analyze", command, *args, "--out", out)
            assert (code, lines, err.count("\n")) == (expected, [], 1), err
            assert word in err
            assert not out.exists()
        code, _, err = run("analyze", command, name, "--out", tmp_path / "missing" / "a.png")
        assert code == 8 and "create it" in err

    def test_help_needs_neither_torch_nor_matplotlib(self):
        code = (
            "import sys\nfrom drawzoo.cli import main\n"
            "try: main(sys.argv[1:])\n"
            "finally: print({'torch', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
        )
        for args in (["analyze", "steps", "--help"], ["reconstruct", "--help"]):
            result = subprocess.run(
                [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60
            )
            assert result.stderr.splitlines()[-1] == "set()"
