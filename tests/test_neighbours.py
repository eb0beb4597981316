"""`drawzoo analyze neighbours`: the nearest images, exactly, and what a copy looks like."""

import json

import numpy as np
import pytest
import torch
from drawzoo_analysis import nearest as module
from drawzoo_analysis.nearest import nearer, nearest
from PIL import Image

import drawzoo
from drawzoo.engine.saving import write_model


def brute(queries, images):
    """All distances, one pair at a time."""
    return torch.stack(
        [torch.stack([(a - b).square().sum().sqrt() for b in images]) for a in queries]
    )


class TestNearest:
    @pytest.mark.parametrize("shape", [(1, 6, 5), (3, 4, 7)])
    @pytest.mark.parametrize("rows, size", [(2_048, 1 << 26), (3, 1 << 26), (2_048, 1)])
    def test_is_what_looking_at_every_pair_gives(self, monkeypatch, shape, rows, size):
        monkeypatch.setattr(module, "BLOCK_ROWS", rows)
        monkeypatch.setattr(module, "BLOCK_BYTES", size)
        queries = torch.rand(7, *shape)
        images = torch.randint(256, (50, *shape), dtype=torch.uint8)
        expected = brute(queries.double(), images.double() / 255).sort(dim=1)
        found = nearest(queries, images, 4)
        torch.testing.assert_close(found.distances, expected.values[:, :4])
        assert torch.equal(found.places, expected.indices[:, :4])

    def test_a_copy_has_no_distance(self):
        images = torch.randint(256, (300, 3, 20, 14), dtype=torch.uint8)
        for queries in (images[[17, 250]], images[[17, 250]].float() / 255):
            found = nearest(queries, images, 2)
            assert found.places[:, 0].tolist() == [17, 250]
            assert (found.distances[:, 0] < 1e-5).all() and (found.distances[:, 1] > 1).all()

    def test_of_equal_images_the_first(self, monkeypatch):
        monkeypatch.setattr(module, "BLOCK_ROWS", 2)
        images = torch.full((9, 1, 2, 3), 51, dtype=torch.uint8)
        assert nearest(torch.zeros(1, 1, 2, 3), images, 1).places.tolist() == [[0]]

    def test_no_more_than_there_are(self):
        found = nearest(torch.zeros(2, 1, 2, 3), torch.zeros(3, 1, 2, 3), 20)
        assert found.places.shape == found.distances.shape == (2, 3)
        assert sorted(found.places[0].tolist()) == [0, 1, 2]

    def test_no_block_is_larger_than_allowed(self, monkeypatch):
        monkeypatch.setattr(module, "BLOCK_BYTES", 8 * 30 * 4)
        sizes, original = [], torch.cdist

        def cdist(a, b):
            sizes.extend([len(a), len(b)])
            return original(a, b)

        monkeypatch.setattr(torch, "cdist", cdist)
        pairs = []

        def progress(blocks):
            for block in blocks:
                pairs.append(block)
                yield block

        nearest(torch.rand(9, 1, 6, 5), torch.rand(10, 1, 6, 5), 2, progress=progress)
        assert max(sizes) == 4 and len(pairs) == 9


def test_the_share_that_is_nearer():
    others = torch.tensor([3.0, 1.0, 2.0, 4.0], dtype=torch.float64)
    own = torch.tensor([0.0, 1.0, 2.5, 9.0], dtype=torch.float64)
    assert nearer(own, others).tolist() == [0, 0, 0.5, 1]


@pytest.fixture
def copier(tiny, tmp_path):
    """Writes a model that draws one image [C, H, W], whatever the seed; gives its name."""

    def write(image, dataset, **options):
        model = drawzoo.build(tiny(image=tuple(image.shape), dataset=dataset, **options))
        with torch.no_grad():
            for parameter in model.writer.parameters():
                parameter.zero_()
            model.initial_canvas.copy_(torch.logit(image.float() / 255, eps=1e-7))
        folder = tmp_path / "copier"
        folder.mkdir()
        write_model(folder, model.config, model.state_dict())
        return f"local-dir:{folder}"

    return write


@pytest.fixture
def neighbours(run, tmp_path):
    """Looks for neighbours; gives what was printed as JSON, and the picture."""

    def call(name, *args):
        out = tmp_path / "out.png"
        code, lines, err = run("analyze", "neighbours", name, *args, "--out", out, "--json")
        assert code == 0, err
        with Image.open(out) as picture:
            return json.loads("\n".join(lines)), picture.convert("RGB")

    return call


def test_numbers_are_of_the_samples_and_the_test_images(model, data, neighbours):
    facts, picture = neighbours(model, "--data", data, "--num", 3, "--neighbours", 4, "--seed", 5)
    assert (facts["dataset"], facts["split"], facts["images"]) == ("mnist", "train", 40)
    assert facts["seed"] == 5 and "mean image" in facts["metric"]
    splits = ("train", "test")
    images, held_out = (drawzoo.load_dataset("mnist", split, data).pixels for split in splits)
    generator = torch.Generator().manual_seed(5)
    samples = drawzoo.load(model).sample(3, generator=generator)
    far = brute(samples.double(), images.double() / 255).sort(dim=1)
    others = brute(held_out.double() / 255, images.double() / 255).min(dim=1).values
    assert facts["held_out"]["images"] == 300
    assert facts["held_out"]["median"] == pytest.approx(others.quantile(0.5).item())
    assert facts["held_out"]["minimum"] == pytest.approx(others.min().item())
    assert [row["sample"] for row in facts["samples"]] == [1, 2, 3]
    for row, distances, index in zip(facts["samples"], far.values, far.indices, strict=True):
        assert row["distances"] == pytest.approx(distances[:4].tolist())
        assert row["index"] == index[:4].tolist()
        share = (others < distances[0]).double().mean().item()
        assert row["held_out_nearer"] == pytest.approx(share)
        assert row["labels"] == (images[index[:4], 0, 0, 0] % 10).tolist()
    # Three samples and three test images, each with four neighbours, and the chart.
    assert picture.height > 6 * 84 and picture.width > 5 * 84 + 300


def test_a_copy_is_nearer_than_every_test_image(data, copier, neighbours):
    image = drawzoo.load_dataset("mnist", "train", data).pixels[23]
    facts, _ = neighbours(copier(image, "mnist"), "--data", data, "--num", 2)
    for row in facts["samples"]:
        assert row["index"][0] == 23 and row["distances"][0] < 1e-3
        assert row["held_out_nearer"] == 0
    assert facts["held_out"]["minimum"] > 1


@pytest.mark.slow
def test_a_part_of_the_training_images_keeps_their_places(model, data, neighbours):
    facts, _ = neighbours(model, "--data", data, "--images", 7, "--neighbours", 20, "--num", 1)
    assert facts["images"] == 7 and len(facts["samples"][0]["index"]) == 7
    rule = np.random.RandomState(0).permutation(40)[:7]
    assert sorted(facts["samples"][0]["index"]) == sorted(rule.tolist())


@pytest.mark.slow
def test_in_colours_and_wider_than_high(tmp_path, copier, neighbours):
    (tmp_path / "photos").mkdir()
    chance = np.random.default_rng(0)
    for number in range(40):
        pixels = chance.integers(0, 256, (10, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    shape, root = (3, 10, 16), tmp_path / "photos"
    image = drawzoo.load_dataset("folder", "train", root, image=shape).pixels[4]
    name = copier(image, "folder", likelihood=drawzoo.ComponentConfig(name="intensities"))
    facts, picture = neighbours(name, "--data", f"folder:{root}", "--num", 1)
    (row,) = facts["samples"]
    assert row["index"][0] == 4 and row["distances"][0] < 1e-3 and row["labels"] is None
    colours = np.asarray(picture).reshape(-1, 3).astype(int)
    assert len(np.unique(colours, axis=0)) > 500


def test_binary_images_are_compared_with_binary_drawings(tiny, tmp_path, neighbours, monkeypatch):
    from drawzoo_analysis.source import Source

    from drawzoo import Images

    def binary(self, model):
        chance = torch.Generator().manual_seed(len(self.split))
        pixels = torch.rand(30, 1, 6, 5, generator=chance) < 0.5
        return Images(255 * pixels.to(torch.uint8), None, False)

    monkeypatch.setattr(Source, "split_images", binary)
    model = drawzoo.build(tiny())
    write_model(tmp_path, model.config, model.state_dict())
    facts, _ = neighbours(f"local-dir:{tmp_path}", "--num", 9)
    assert "0 or 1" in facts["metric"]
    # The square of the distance of two binary images is the number of pixels that differ.
    squares = torch.tensor([row["distances"] for row in facts["samples"]]).square()
    torch.testing.assert_close(squares, squares.round())


def test_table(run, model, data, tmp_path):
    args = ("--data", data, "--num", 2, "--out", tmp_path / "a.png")
    code, lines, err = run("analyze", "neighbours", model, *args)
    assert code == 0 and len(lines) == 4 and "2 samples" in err
    assert lines[1].split()[0] == "1" and lines[1].rstrip().endswith("%")
    assert lines[3].startswith("300 test images: median ")


def test_mistakes_are_one_line_and_leave_nothing(fails, model, data, tiny, tmp_path):
    other = drawzoo.build(tiny())
    (tmp_path / "other").mkdir()
    write_model(tmp_path / "other", other.config, other.state_dict())
    out = tmp_path / "a.png"
    for args, expected, word in (
        ((model, "--data", data, "--images", 41), 5, "there are 40 images"),
        ((model, "--dataset", "nowhere"), 4, "nowhere"),
        ((model, "--dataset", "mnist-sample"), 5, "no split 'train'"),
        ((f"local-dir:{tmp_path / 'other'}", "--data", data, "--dataset", "mnist"), 3, "1×6×5"),
        ((model, "--num", 101), 2, "101"),
        (("draw-mnits",), 4, "did you mean draw-mnist"),
        ((model, "--data", data, "--out", tmp_path / "missing" / "a.png"), 8, "create it"),
    ):
        code, err = fails("analyze", "neighbours", "--out", out, *args)
        assert code == expected and word in err
        assert not out.exists()
