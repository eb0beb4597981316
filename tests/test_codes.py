"""Latent codes: what encoding and decoding have to do with each other, and the files of codes."""

import json
import math
import os

import pytest
import torch
from drawzoo_analysis.codes import BATCH, CodesInfo, encode_images, read_z, write_codes
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import drawzoo
from drawzoo.data.images import Images
from drawzoo.engine.drawing import Codes, join
from drawzoo.engine.latent import Gaussian
from drawzoo.engine.saving import write_model
from drawzoo.errors import ConfigError, DataError
from drawzoo.evaluation.measure import evaluate
from drawzoo.schema.base import override


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def binary(model, num=3):
    return (torch.rand(num, *model.config.image, generator=seeded(1)) < 0.4).double()


def split(num, shape=(1, 6, 5), binarize=True):
    pixels = torch.randint(256, (num, *shape), dtype=torch.uint8, generator=seeded(2))
    return Images(pixels, torch.arange(num) % 10, binarize)


PARTS = [
    {},
    {"reader": "none", "encoder": "conv"},
    {"encoder": "conv", "image": (3, 9, 14)},
    {"reader": "whole", "writer": "whole", "steps": 5},
]


class TestModel:
    @pytest.mark.parametrize("parts", PARTS, ids=str)
    def test_decoding_the_codes_of_images_is_reconstructing_them(self, double, parts):
        model = double(**parts)
        x = binary(model)
        codes = model.encode(x, generator=seeded())
        drawing, expected = model.decode(codes.z), model.reconstruct(x, generator=seeded())
        assert torch.equal(drawing.canvases, expected.canvases)
        assert torch.equal(drawing.images, expected.images)
        assert drawing.reads is None
        if expected.writes is None:
            assert drawing.writes is None
        else:
            for found, window in zip(drawing.writes, expected.writes, strict=True):
                assert all(map(torch.equal, found[:5], window[:5]))

    def test_codes_are_samples_of_the_posterior_of_which_the_bound_counts_the_nats(self, double):
        model = double(steps=3)
        x = binary(model)
        z, mean, log_std, kl = model.encode(x, generator=seeded())
        assert z.shape == mean.shape == log_std.shape == (3, 3, 2)
        noise = (z - mean) / log_std.exp()
        torch.testing.assert_close(noise, model.noise(3, 3, seeded()), rtol=0, atol=1e-12)
        assert torch.equal(kl, Gaussian(mean, log_std).kl(batch_dims=2))
        assert torch.equal(kl, model.bound(x, generator=seeded()).kl)

    def test_decoding_the_codes_of_the_prior_is_drawing(self, double):
        model = double()
        z = model.prior(3, steps=2, generator=seeded())
        drawing = model.draw(3, steps=2, generator=seeded())
        assert torch.equal(model.decode(z).canvases, drawing.canvases)
        assert model.prior(205, generator=seeded()).shape == (2, 205, 2)
        assert torch.equal(model.prior(205, generator=seeded())[:, :3], z)

    def test_a_code_changes_its_own_canvas_and_the_later_ones_only(self, double):
        model = double(steps=5)
        z = model.prior(4, generator=seeded())
        before = model.decode(z).canvases
        for t in range(5):
            changed = z.clone()
            changed[t] += 1
            after = model.decode(changed).canvases
            assert torch.equal(after[:t], before[:t])
            assert ((after[t:] - before[t:]).flatten(2).abs().amax(dim=2) > 1e-9).all()

    @pytest.mark.parametrize("parts", PARTS, ids=str)
    def test_finished_images_are_the_last_of_the_drawing(self, double, parts):
        model = double(**parts)
        z = model.prior(3, generator=seeded())
        torch.testing.assert_close(model.finished(z), model.decode(z).images[-1])
        with pytest.raises(ConfigError, match="finite"):
            model.finished(z.fill_(torch.nan))

    def test_fewer_steps_are_an_earlier_stage_and_more_draw_on_and_say_so(self, double):
        model = double(steps=2)
        z = model.noise(3, 4, seeded())
        assert torch.equal(model.decode(z[:1]).canvases, model.decode(z[:2]).canvases[:1])
        with pytest.warns(UserWarning, match="trained with 2 steps.* 4") as caught:
            longer = model.decode(z)
        assert len(caught) == 1 and caught[0].filename == __file__
        assert torch.equal(longer.canvases[:2], model.decode(z[:2]).canvases)

    @pytest.mark.parametrize(
        "z, word",
        [
            (torch.zeros(2, 3), "[2, 3]"),
            (torch.zeros(2, 3, 5), "[T, B, 2]"),
            (torch.zeros(0, 3, 2), "at least 1"),
            (torch.zeros(2, 0, 2), "at least 1"),
            (torch.full((2, 1, 2), torch.nan), "finite"),
            (torch.full((2, 1, 2), torch.inf), "finite"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_other_codes_are_refused(self, double, z, word):
        with pytest.raises(ConfigError) as caught:
            double().decode(z)
        assert word in str(caught.value)

    def test_drawings_join_to_that_of_one_batch(self, double):
        model = double()
        x = binary(model, 5)
        parts = [model.reconstruct(x[i : i + 1], generator=seeded(i)) for i in range(5)]
        whole = join(parts)
        assert whole.canvases.shape == whole.images.shape == (2, 5, 1, 6, 5)
        for i, part in enumerate(parts):
            assert torch.equal(whole.canvases[:, i], part.canvases[:, 0])
            for windows, own in ((whole.reads, part.reads), (whole.writes, part.writes)):
                for step, window in zip(windows, own, strict=True):
                    assert torch.equal(step.gx[i : i + 1], window.gx)
        assert join([model.draw(1), model.draw(2)]).reads is None


class TestEncodeImages:
    def test_an_image_s_codes_do_not_depend_on_how_many_are_encoded(self, double):
        model, images = double(), split(BATCH + 30)
        whole = encode_images(model, images, BATCH + 30)
        assert whole.z.shape == (2, BATCH + 30, 2)
        for num in (1, BATCH - 1, BATCH + 3):
            part = encode_images(model, images, num)
            assert all(torch.equal(a, b[:, :num]) for a, b in zip(part, whole, strict=True))
        assert not torch.equal(encode_images(model, images, 5, seed=1).z, whole.z[:, :5])

    def test_they_are_those_whose_bound_is_evaluated(self, double):
        model, images = double(), split(BATCH + 30)
        kl = encode_images(model, images, len(images[0])).kl.double().sum(dim=0)
        figure = evaluate(model, "bound", images, dataset="x", split="test")
        assert kl.mean().item() == pytest.approx(figure.kl, abs=1e-3)


@pytest.fixture
def codes(tiny):
    z = torch.randn(3, 2, 4, 2, generator=seeded())
    return Codes(*z, torch.zeros(2, 4))


def info(**fields):
    origin = {"model": "tiny-mnist", "dataset": "mnist", "split": "test", "images": [], "seed": 0}
    return CodesInfo(**origin | fields)


class TestFiles:
    def test_round_trip(self, codes, tiny, tmp_path):
        path = tmp_path / "codes.safetensors"
        write_codes(path, codes, torch.arange(9), info())
        assert torch.equal(read_z(path, drawzoo.build(tiny())), codes.z)
        tensors = load_file(path)
        assert tensors.keys() == {"z", "mean", "log_std", "index", "labels"}
        assert torch.equal(tensors["mean"], codes.mean)
        assert torch.equal(tensors["log_std"], codes.log_std)
        assert tensors["labels"].tolist() == tensors["index"].tolist() == [0, 1, 2, 3]
        with safe_open(path, framework="pt") as file:
            origin = json.loads(file.metadata()["drawzoo"])
        assert origin["model"] == "tiny-mnist" and origin["format"] == "codes-1"

    def test_the_same_codes_give_the_same_bytes(self, codes, tmp_path):
        paths = [tmp_path / name for name in ("a", "b")]
        for path in paths:
            write_codes(path, codes, None, info())
        assert paths[0].read_bytes() == paths[1].read_bytes()

    def test_your_own_codes_need_nothing_but_z(self, codes, tiny, tmp_path):
        save_file({"z": codes.z[:1].double(), "mine": torch.ones(3)}, tmp_path / "mine")
        assert torch.equal(read_z(tmp_path / "mine", drawzoo.build(tiny())), codes.z[:1].double())

    @pytest.mark.parametrize(
        "tensors, origin, word",
        [
            ({}, None, "no tensor z"),
            ({"mean": torch.zeros(2, 4, 2)}, None, "no tensor z"),
            ({"z": torch.zeros(2, 4, 3)}, None, "[T, N, 2]"),
            ({"z": torch.zeros(2, 2)}, None, "[T, N, 2]"),
            ({"z": torch.zeros(2, 0, 2)}, None, "[T, N, 2]"),
            ({"z": torch.zeros(5000, 1, 2)}, None, "4,096"),
            ({"z": torch.zeros(2, 4, 2, dtype=torch.int64)}, None, "I64"),
            ({"z": torch.full((2, 4, 2), torch.nan)}, None, "not finite"),
            ({"z": torch.full((2, 4, 2), -torch.inf)}, None, "not finite"),
            (
                {"z": torch.zeros(2, 4, 2).double() + 1e300},
                None,
                "too large for float32",
            ),
            ({"z": torch.zeros(4097, 4, 2)}, None, "4,096"),
            ({"z": torch.zeros(2, 4, 2)}, {"model": "draw-mnist"}, "decode them with draw-mnist"),
            ({"z": torch.zeros(2, 4, 2)}, {"format": "codes-2"}, "codes-2"),
            ({"z": torch.zeros(2, 4, 2)}, {"model": "a\nb\x1b[31m"}, "mean nothing"),
            ({"z": torch.zeros(2, 4, 2)}, {"evil": 1}, "evil"),
            ({"z": torch.zeros(2, 4, 2)}, {"images": "x" * (2 << 20)}, "too many"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_other_files_are_refused(self, tiny, tmp_path, tensors, origin, word):
        fields = {"model": "tiny-mnist", "dataset": None, "split": None, "images": [], "seed": 0}
        header = origin and {"drawzoo": json.dumps(fields | {"format": "codes-1"} | origin)}
        path = tmp_path / "codes.safetensors"
        save_file(tensors, path, header)
        with pytest.raises(DataError) as caught:
            read_z(path, drawzoo.build(tiny()))
        line = str(caught.value)
        assert word in line and str(path) in line and line.isprintable() and len(line) < 1_000

    @pytest.mark.parametrize("raw", [b"", b"{}", b"\xff" * 100, b"GIF89a" * 50], ids=str)
    def test_what_is_no_safetensors_file(self, tiny, tmp_path, raw):
        (tmp_path / "codes").write_bytes(raw)
        with pytest.raises(DataError, match="no safetensors file"):
            read_z(tmp_path / "codes", drawzoo.build(tiny()))

    def test_missing_folders_and_giants(self, tiny, tmp_path):
        for path, word in ((tmp_path / "missing", "No such file"), (tmp_path, "cannot read")):
            with pytest.raises(DataError, match=word):
                read_z(path, drawzoo.build(tiny()))
        with (tmp_path / "giant").open("wb") as file:
            os.truncate(file.fileno(), 2 << 30)
        with pytest.raises(DataError, match="more than"):
            read_z(tmp_path / "giant", drawzoo.build(tiny()))


@pytest.fixture
def small(tiny, tmp_path):
    """The folder of a small model for images of MNIST's size."""
    folder = tmp_path / "small"
    folder.mkdir()
    model = drawzoo.build(override(tiny(), {"image": [1, 28, 28], "steps": 3}))
    write_model(folder, model.config, model.state_dict())
    return f"local-dir:{folder}"


class TestCommands:
    def test_there_and_back(self, run, small, tmp_path):
        codes, picture, gif = (tmp_path / name for name in ("c.safetensors", "a.png", "a.gif"))
        code, out, err = run("encode", small, "--num", 5, "--seed", 3, "--out", codes)
        assert (code, out) == (0, []) and "5 images" in err
        tensors = load_file(codes)
        assert tensors["z"].shape == (3, 5, 2)
        assert tensors["labels"].tolist() == [8, 7, 1, 7, 1]
        code, out, err = run("decode", small, codes, "--out", picture, "--gif", gif)
        assert code == 0 and "5 drawings" in err
        assert picture.read_bytes()[:4] == b"\x89PNG" and gif.read_bytes()[:3] == b"GIF"

    def test_images_one_by_one(self, run, small, tmp_path):
        path = tmp_path / "codes.safetensors"
        assert run("encode", small, 4, 9, 4, "--out", path)[0] == 0
        tensors = load_file(path)
        assert tensors["z"].shape == (3, 3, 2) and tensors.keys() == {"z", "mean", "log_std"}
        assert run("encode", small, 4, "--num", 3, "--out", path)[0] == 2

    def test_only_the_codes_asked_for_are_read(self, run, small, tmp_path):
        codes, out = tmp_path / "z", tmp_path / "a.png"
        z = torch.randn(3, 10_001, 2)
        # Values that are never read are not refused.
        z[:, 4:] = math.nan
        save_file({"z": z}, codes)
        code, _, err = run("decode", small, codes, "--num", 4, "--out", out)
        assert code == 0 and "4 drawings" in err
        code, _, err = run("decode", small, codes, "--out", tmp_path / "b.png")
        assert code == 5 and "10,001" in err and "--num" in err

    def test_codes_and_animations_too_large_are_refused(self, run, small, tmp_path):
        codes, gif = tmp_path / "z", tmp_path / "a.gif"
        save_file({"z": torch.zeros(4096, 9000, 2)}, codes)
        out = ("--out", tmp_path / "a.png")
        code, _, err = run("decode", small, codes, *out)
        assert code == 5 and "294,912,000 bytes" in err and "at most 8,192" in err
        code, _, err = run("decode", small, codes, *out, "--num", 2, "--gif", gif)
        assert code == 3 and "4,096 steps" in err and not gif.exists()
        code, _, err = run("sample", small, *out, "--steps", 4096, "--gif", gif)
        assert code == 3 and "4,096 steps" in err and not gif.exists()

    def test_steps_may_be_fewer_and_more_are_noted_once(self, run, small, tmp_path, monkeypatch):
        import warnings

        monkeypatch.setattr(warnings, "filters", [("always", None, Warning, None, 0)])
        for steps, notes in ((1, 0), (3, 0), (5, 1)):
            save_file({"z": torch.randn(steps, 201, 2)}, tmp_path / "z")
            code, _, err = run("decode", small, tmp_path / "z", "--out", tmp_path / "a.png")
            assert code == 0 and err.count("Note: ") == notes

    def test_mistakes_are_one_line_and_leave_nothing(self, run, small, tmp_path):
        save_file({"z": torch.zeros(3, 4, 7)}, tmp_path / "z")
        out = tmp_path / "out.png"
        codes = tmp_path / "out.safetensors"
        for args, expected in (
            (["decode", small, tmp_path / "z", "--out", out], 5),
            (["decode", small, tmp_path / "missing", "--out", out], 5),
            (["decode", small, tmp_path / "z", "--out", out, "--gif", out], 2),
            (["encode", small, "256", "--out", codes], 5),
            (["encode", small, "missing.png", "--out", codes], 5),
            (["encode", small, "--split", "train", "--out", codes], 5),
            (["encode", small, "--out", tmp_path / "missing" / "out.safetensors"], 8),
        ):
            code, stdout, err = run(*args)
            assert code == expected and stdout == []
            assert err.startswith("Error: ") and err.count("\n") == 1
            assert not out.exists() and not codes.exists()
