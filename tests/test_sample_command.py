"""`drawzoo sample`: one picture, drawn in groups."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

import drawzoo
from drawzoo.cli import sample
from drawzoo.render.grid import PADDING, grid, png


def test_groups_change_nothing(invoke, tmp_path, monkeypatch):
    args = ("sample", "draw-t1-mnist", "--num", "620", "--no-show", "--steps", "2", "--out")
    code, _, err = invoke(*args, tmp_path / "groups.png")
    assert code == 0 and err.count("drawing on to 2") == 1 and "620 drawings" in err
    monkeypatch.setattr(sample, "GROUP_NUM", 1_000)
    assert invoke(*args, tmp_path / "whole.png")[0] == 0
    assert (tmp_path / "groups.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_one_is_one(invoke, tmp_path):
    err = invoke("sample", "draw-t1-mnist", "--num", "1", "--out", tmp_path / "one.png")[2]
    assert "1 drawing in" in err


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
