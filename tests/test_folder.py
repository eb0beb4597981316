"""The user's own images: what is read, how it is split, and what is skipped."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from drawzoo.data.dataset import Support, find_dataset
from drawzoo.data.folder import FOLDER
from drawzoo.data.images import load_dataset
from drawzoo.errors import DataError

COLOUR = (3, 12, 10)
FORMATS = ("png", "jpg", "bmp", "webp", "tiff", "ppm", "gif", "jpeg")


def picture(path, seed, *, mode="RGB"):
    """Of an odd size of its own."""
    random = np.random.default_rng(seed)
    width, height = random.integers(1, 60, 2)
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for i in range(40):
        mode = ("RGB", "L")[i % 2]
        picture(folder / ("cats", "dogs")[i % 3 == 0] / f"{i}.{FORMATS[i % 8]}", i, mode=mode)
    return folder


def both(folder, image=COLOUR):
    return [load_dataset("folder", split, folder, image=image) for split in ("train", "test")]


def contents(images):
    return {pixels.numpy().tobytes() for pixels in images.pixels}


def test_every_image_is_in_one_split(photos):
    train, test = both(photos)
    assert len(train.pixels) + len(test.pixels) == 40 and 1 <= len(test.pixels) <= 12
    assert train.pixels.shape[1:] == COLOUR and not train.binarize
    assert not contents(train) & contents(test)


def test_the_split_is_by_content(photos, tmp_path):
    """Neither a name nor other files change it."""
    before = [contents(images) for images in both(photos)]
    other = tmp_path / "other"
    for i, path in enumerate(sorted(photos.rglob("*.*"))[::-1]):
        (other / "a" / "b").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, other / "a" / "b" / f"x{i}{path.suffix.upper()}")
    assert [contents(images) for images in both(other)] == before
    for i in range(100, 120):
        picture(other / "a" / f"{i}.png", i)
    assert all(old <= contents(new) for old, new in zip(before, both(other), strict=True))


def test_a_picture_covers_the_canvas_and_its_middle_is_taken(tmp_path):
    pixels = np.zeros((30, 90, 3), np.uint8)
    pixels[:, 30:60] = (10, 200, 30)
    for i in range(30):
        pixels[0, 0, 0] = i
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    train, _ = both(tmp_path, (3, 15, 15))
    middle = torch.tensor([10, 200, 30], dtype=torch.uint8).view(3, 1, 1).expand(3, 9, 9)
    assert torch.equal(train.pixels[0, :, 3:-3, 3:-3], middle)


def test_labels_are_the_sub_folders(photos):
    train, test = both(photos)
    labels = torch.cat([train.labels, test.labels])
    assert labels.bincount().tolist() == [26, 14]
    picture(photos / "alone.png", 77)
    assert all(images.labels is None for images in both(photos))


def test_grey_models_get_figures_binarised_afresh(photos):
    train, _ = both(photos, (1, 28, 28))
    assert train.binarize and train.pixels.shape[1:] == (1, 28, 28)
    assert find_dataset("folder").at((1, 28, 28)).support == Support.AFRESH
    assert FOLDER.support == Support.LEVELS


def test_broken_images_are_named_and_skipped(photos, recwarn):
    whole = [len(images.pixels) for images in both(photos)]
    for i in range(9):
        raw = (photos / "cats" / "8.png").read_bytes()
        (photos / "cats" / f"broken{i}.png").write_bytes(raw[: len(raw) // 2] + bytes([i]))
    (photos / "cats" / "notes.txt").write_text("no image")
    (photos / ".hidden").mkdir()
    (photos / ".hidden" / "x.png").write_text("no image")
    (photos / "cats" / ".x.png").write_text("no image")
    recwarn.clear()
    with pytest.warns(UserWarning, match=r"skipped \d of 49 files: cats/broken\d.png \(") as caught:
        assert [len(images.pixels) for images in both(photos)] == whole
    text = " ".join(str(warning.message) for warning in caught)
    assert "notes" not in text and "hidden" not in text
    assert all(len(str(warning.message)) <= 300 for warning in caught)


def test_pipes_and_huge_files_are_skipped_unread(photos):
    import os

    os.mkfifo(photos / "pipe.png")
    with (photos / "huge.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.warns(UserWarning, match="skipped 2 of 42 files: huge.png"):
        both(photos)


def test_none_left(tmp_path):
    for root, word in (
        (tmp_path / "absent", "no folder"),
        (tmp_path, "no image files"),
    ):
        with pytest.raises(DataError, match=word) as caught:
            both(root)
        assert len(str(caught.value)) <= 300
    (tmp_path / "a.png").write_text("no image")
    with pytest.warns(UserWarning), pytest.raises(DataError, match="no image of the split"):
        both(tmp_path)


def test_a_command_is_all_it_takes(photos, tmp_path, invoke):
    (photos / "cats" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(9))
    small = ["encoder.units=8", "decoder.units=8", "latent.size=3", "steps=2", "batch_size=4"]
    small = [part for setting in small for part in ("--set", setting)]
    out, data = tmp_path / "run", f"folder:{photos}"
    code, _, err = invoke("train", "draw", "--data", data, "--out", out, "--max-steps", 3, *small)
    assert code == 0 and "training draw-folder" in err, err
    code, _, err = invoke("sample", f"local-dir:{out}", "--out", tmp_path / "grid.png")
    assert code == 0, err
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.mode == "RGB"
    code, said, err = invoke("evaluate", f"local-dir:{out}", "--data", data)
    assert code == 0 and "bits per dimension" in said and "of folder test" in said, err


def test_any_model_can_be_trained_on_own_images(photos, tmp_path, invoke):
    out = tmp_path / "run"
    arguments = ["--data", f"folder:{photos}", "--out", out, "--max-steps", 1]
    code, _, err = invoke("train", "draw-mnist", *arguments, "--set", "batch_size=4")
    assert code == 0 and "training draw-folder" in err, err
