"""Datasets in colour: their official layouts, made small, and what is refused."""

import hashlib
import tracemalloc

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

import drawzoo
from drawzoo.cards.text import model_card
from drawzoo.data import cifar10, svhn, svhn54
from drawzoo.data.dataset import Support, facts
from drawzoo.data.images import load_dataset
from drawzoo.errors import DataError
from drawzoo.evaluation.measure import measure
from drawzoo.evaluation.protocol import read_figures
from drawzoo.registry.build import model_config
from drawzoo.schema.record import read_record
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store.published import manifest
from drawzoo.store.sources import shipped
from drawzoo.training.loop import Trainer

scipy_io = pytest.importorskip("scipy.io")
h5py = pytest.importorskip("h5py")


def random_bytes(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def refused(name, split, root, *words):
    """The line that a split is refused with, having needed no memory to speak of."""
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        load_dataset(name, split, root, download=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in words), line
    assert peak < 500e6
    return line


def write_mat(path, num, *, compress=True, **changes):
    """House numbers in the official layout: pixels [32, 32, 3, N], the digit 0 written 10."""
    path.parent.mkdir(exist_ok=True)
    content = {"X": random_bytes(32, 32, 3, num), "y": np.arange(num, dtype=np.uint8)[:, None]}
    content["y"] = content["y"] % 10 + 1
    content |= changes
    scipy_io.savemat(path, content, do_compression=compress)
    return content["X"], content["y"].ravel()


class TestSVHN:
    @pytest.mark.parametrize("split", ["train", "test", "extra"])
    def test_official_layout(self, tmp_path, split):
        pixels, labels = write_mat(tmp_path / "svhn" / f"{split}_32x32.mat", 12)
        images = load_dataset("svhn", split, tmp_path, download=False)
        assert images.pixels.shape == (12, 3, 32, 32) and not images.binarize
        # Row, column, channel, image.
        assert images.pixels[7, 2, 5, 9] == pixels[5, 9, 2, 7]
        assert images.labels.tolist() == [label % 10 for label in labels] and 0 in images.labels

    def test_the_reader_of_torchvision_sees_the_same(self, tmp_path, monkeypatch):
        from torchvision.datasets import SVHN

        path = tmp_path / "svhn" / "test_32x32.mat"
        write_mat(path, 12)
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setattr(SVHN, "split_list", {"test": ["", path.name, md5]})
        theirs, ours = SVHN(path.parent, "test"), load_dataset("svhn", "test", tmp_path)
        assert np.array_equal(theirs.data, ours.pixels.numpy())
        assert np.array_equal(theirs.labels, ours.labels.numpy())

    def test_a_file_of_the_official_length_must_be_the_official_one(self, tmp_path, monkeypatch):
        monkeypatch.setitem(svhn._FILES, "test", svhn._File("test_32x32.mat", 12, "0" * 32))
        write_mat(tmp_path / "svhn" / "test_32x32.mat", 12)
        refused("svhn", "test", tmp_path, "damaged", "MD5")

    def test_missing(self, tmp_path):
        refused("svhn", "extra", tmp_path, "missing", svhn.URL + "extra_32x32.mat", "DRAWZOO_DATA")

    def test_of_what_it_may_be_used_for(self):
        assert "non-commercial" in facts("svhn-10k")["terms"]
        assert facts("svhn")["support"] == Support.LEVELS

    @pytest.mark.parametrize("dataset, named", [("svhn-10k", True), ("mnist", False)])
    def test_terms_are_on_cards(self, dataset, named):
        name = "draw-mnist"
        entry = manifest()[name]
        card = model_card(
            msgspec.structs.replace(model_config(name), dataset=dataset),
            read_record(shipped(name)),
            summary="DRAW",
            parameters=1,
            figures=read_figures(entry.figures),
            files=entry.files,
        )
        assert ("non-commercial" in card) == named

    @pytest.mark.parametrize(
        "content, word",
        [
            (b"", "damaged"),
            (b"<html>404</html>" * 100, "damaged"),
            (b"\x89HDF\r\n\x1a\n" + bytes(1000), "damaged"),
            ({"X": random_bytes(32, 32, 12)}, "no images X"),
            ({"X": np.zeros((32, 32, 3, 12))}, "no images X"),
            ({"X": random_bytes(28, 28, 3, 12)}, "no images X"),
            ({"y": np.ones((11, 1), np.uint8)}, "no labels y"),
            ({"y": np.full((12, 1), 11, np.uint8)}, "labels"),
            ({"y": np.full((12, 1), np.nan)}, "labels"),
        ],
        ids=["empty", "page", "hdf5", "flat", "floats", "28", "labels", "eleven", "nan"],
    )
    def test_damaged(self, tmp_path, content, word):
        path = tmp_path / "svhn" / "test_32x32.mat"
        write_mat(path, 12, **(content if isinstance(content, dict) else {}))
        if isinstance(content, bytes):
            path.write_bytes(content)
        refused("svhn", "test", tmp_path, "damaged", word, "test_32x32.mat")

    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
    def test_truncated(self, tmp_path, compress, part):
        path = tmp_path / "svhn" / "train_32x32.mat"
        write_mat(path, 40, compress=compress)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(part * len(raw))])
        refused("svhn", "train", tmp_path, "damaged", "delete it")

    def test_a_header_that_claims_terabytes(self, tmp_path):
        path = tmp_path / "svhn" / "test_32x32.mat"
        write_mat(path, 12, compress=False)
        raw = path.read_bytes()
        (tmp_path / "svhn" / "test_32x32.mat").write_bytes(
            raw.replace((12).to_bytes(4, "little"), (2**30).to_bytes(4, "little"), 1)
        )
        refused("svhn", "test", tmp_path, "damaged")

    def test_a_bomb(self, tmp_path):
        path = tmp_path / "svhn" / "test_32x32.mat"
        write_mat(path, 12, X=np.zeros((32, 32, 3, 40_000), np.uint8))
        assert path.stat().st_size < 1e6
        refused("svhn", "test", tmp_path, "claims 40,000 images")

    def test_huge(self, tmp_path):
        path = tmp_path / "svhn" / "test_32x32.mat"
        write_mat(path, 12)
        with path.open("r+b") as file:
            file.truncate(2**40)
        refused("svhn", "test", tmp_path, "1,099,511,627,776 bytes")


class TestSVHN10K:
    @pytest.fixture
    def content(self, tmp_path, monkeypatch):
        pixels, labels = write_mat(tmp_path / "svhn" / "test_32x32.mat", 10_003, compress=False)
        first = np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)[:10_000])
        monkeypatch.setattr(
            svhn.SVHN_10K,
            "sha256",
            tuple(hashlib.sha256(part).hexdigest() for part in (first, labels[:10_000].copy())),
            raising=False,
        )
        return pixels, labels

    @pytest.mark.slow
    def test_rows(self, tmp_path, content):
        pixels, labels = content
        train, test = (load_dataset("svhn-10k", split, tmp_path) for split in ("train", "test"))
        assert (len(train.pixels), len(test.pixels)) == (8_001, 1_999)
        both = torch.cat([train.pixels, test.pixels]).numpy()
        assert np.array_equal(both, pixels.transpose(3, 2, 0, 1)[:10_000])
        assert torch.cat([train.labels, test.labels]).tolist() == list(labels[:10_000] % 10)

    @pytest.mark.slow
    def test_other_rows_are_refused(self, tmp_path, content):
        for pixels, labels in ((content[0], content[1][::-1]), (content[0][::-1], content[1])):
            path = tmp_path / "svhn" / "test_32x32.mat"
            write_mat(path, 0, compress=False, X=pixels, y=labels[:, None])
            with pytest.raises(DataError, match="SHA-256"):
                load_dataset("svhn-10k", "test", tmp_path)


def write_numbers(folder, boxes):
    """Pictures of house numbers and their `digitStruct.mat`, as MATLAB 7.3 writes it.

    Arguments:
        folder: Where.
        boxes: For each picture, (left, top, width, height) of each digit.
    """
    folder.mkdir(parents=True)
    with h5py.File(folder / "digitStruct.mat", "w") as file:
        refs = file.create_group("#refs#")

        def put(name, data):
            return refs.create_dataset(name, data=data).ref

        names = file.create_dataset("digitStruct/name", (len(boxes), 1), dtype=h5py.ref_dtype)
        groups = file.create_dataset("digitStruct/bbox", (len(boxes), 1), dtype=h5py.ref_dtype)
        for i, digits in enumerate(boxes):
            name = f"{i + 1}.png"
            names[i, 0] = put(f"name{i}", np.array([[ord(c)] for c in name], np.uint16))
            group = refs.create_group(f"box{i}")
            for k, key in enumerate(("left", "top", "width", "height")):
                values = [float(digit[k]) for digit in digits]
                if len(values) == 1:
                    group[key] = np.array([values])
                else:
                    attribute = group.create_dataset(key, (len(values), 1), dtype=h5py.ref_dtype)
                    for j, value in enumerate(values):
                        attribute[j, 0] = put(f"{key}{i}_{j}", np.array([[value]]))
            groups[i, 0] = group.ref
            Image.fromarray(random_bytes(70, 90, 3, seed=i)).save(folder / name)
    return folder


class TestSVHN54:
    def test_splits_share_no_picture(self, tmp_path):
        for part, num in (("train", 60), ("extra", 90), ("test", 5)):
            boxes = [[(10, 10, 20, 30), (30, 12, 15, 30)], [(40, 20, 12, 24)]] * num
            write_numbers(tmp_path / "svhn" / part, boxes[:num])
        sizes = {}
        for split in ("train", "valid", "test"):
            images = load_dataset("svhn54", split, tmp_path)
            assert images.pixels.shape[1:] == (3, 54, 54) and not images.binarize
            sizes[split] = len(images.pixels)
        assert sizes == {"train": 147, "valid": 3, "test": 5}
        again = load_dataset("svhn54", "test", tmp_path)
        assert torch.equal(again.pixels, images.pixels)

    def test_the_rectangle_is_around_all_digits(self, tmp_path):
        folder = write_numbers(
            tmp_path / "test", [[(10, 12, 20, 30), (28, 8, 15, 30)], [(40, 20, 12, 24)]]
        )
        numbers = svhn54.read_numbers(folder)
        assert [number.box for number in numbers] == [(10, 8, 43, 42), (40, 20, 52, 44)]

    def test_thirty_per_cent_more_as_far_as_there_is_a_picture(self, tmp_path):
        picture = np.zeros((100, 200, 3), np.uint8)
        # Just what belongs to the image is white.
        picture[35:65, 70:130] = 255
        Image.fromarray(picture).save(tmp_path / "1.png")
        side = 100 / 1.3
        box = (100 - side / 2 * 0.6, 50 - side / 2 * 0.3, 100 + side / 2 * 0.6, 50 + side / 2 * 0.3)
        cut = svhn54._cut(svhn54.Number(tmp_path / "1.png", box))
        # The outermost pixels are interpolated with their neighbours beyond.
        assert cut.shape == (64, 64, 3) and (cut[1:-1, 1:-1] == 255).all()
        wider = (box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2)
        assert (svhn54._cut(svhn54.Number(tmp_path / "1.png", wider))[0] == 0).all()
        corner = svhn54._cut(svhn54.Number(tmp_path / "1.png", (0, 0, 200, 100)))
        assert np.array_equal(
            corner, np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR))
        )

    def test_missing(self, tmp_path):
        refused("svhn54", "test", tmp_path, "missing", "test.tar.gz", "DRAWZOO_DATA")
        folder = write_numbers(tmp_path / "svhn" / "test", [[(1, 1, 9, 9)]] * 2)
        (folder / "2.png").unlink()
        refused("svhn54", "test", tmp_path, "2.png", "No such file")

    @pytest.mark.parametrize("part", [0, 0.5, 0.95])
    def test_truncated(self, tmp_path, part):
        path = write_numbers(tmp_path / "svhn" / "test", [[(1, 1, 9, 9)]] * 9) / "digitStruct.mat"
        raw = path.read_bytes()
        path.write_bytes(raw[: int(part * len(raw))])
        refused("svhn54", "test", tmp_path, "digitStruct.mat", "damaged")

    def test_a_damaged_picture(self, tmp_path):
        folder = write_numbers(tmp_path / "svhn" / "test", [[(1, 1, 9, 9)]] * 2)
        (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:200])
        refused("svhn54", "test", tmp_path, "1.png", "cannot be read")

    @pytest.mark.parametrize("boxes", [[[(1, 1, 0, 5)]], [[(1, 1, float("nan"), 5)]]])
    def test_empty_boxes(self, tmp_path, boxes):
        write_numbers(tmp_path / "svhn" / "test", boxes)
        refused("svhn54", "test", tmp_path, "a box is empty")

    def test_names_do_not_lead_out_of_the_folder(self, tmp_path):
        path = write_numbers(tmp_path / "svhn" / "test", [[(1, 1, 9, 9)]]) / "digitStruct.mat"
        with h5py.File(path, "r+") as file:
            del file["#refs#/name0"]
            name = [[ord(c)] for c in "../1.png"]
            file["#refs#/other"] = np.array(name, np.uint16)
            file["digitStruct/name"][0, 0] = file["#refs#/other"].ref
        refused("svhn54", "test", tmp_path, "no name of a picture")

    def test_lists_that_claim_terabytes(self, tmp_path):
        folder = tmp_path / "svhn" / "test"
        folder.mkdir(parents=True)
        with h5py.File(folder / "digitStruct.mat", "w") as file:
            for key in ("name", "bbox"):
                file.create_dataset(
                    f"digitStruct/{key}", (10**11, 1), dtype=h5py.ref_dtype, chunks=(1000, 1)
                )
        refused("svhn54", "test", tmp_path, "claims 100,000,000,000 pictures")


def write_cifar(root, num):
    """CIFAR-10 in its official binary layout: for each image its label, then its pixels."""
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for i, name in enumerate([*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]):
        rows = random_bytes(num, 3073, seed=i)
        rows[:, 0] = np.arange(num) % 10
        (folder / name).write_bytes(rows.tobytes())
    return folder


class TestCIFAR10:
    def test_official_layout(self, tmp_path):
        folder = write_cifar(tmp_path, 11)
        train, test = (load_dataset("cifar10", split, tmp_path) for split in ("train", "test"))
        assert train.pixels.shape == (55, 3, 32, 32) and test.pixels.shape == (11, 3, 32, 32)
        raw = np.frombuffer((folder / "data_batch_2.bin").read_bytes(), np.uint8).reshape(11, 3073)
        assert train.pixels[11 + 4, 1, 3, 5] == raw[4, 1 + 1024 + 3 * 32 + 5]
        assert test.labels.tolist() == [*range(10), 0] and not test.binarize

    def test_missing(self, tmp_path):
        refused("cifar10", "train", tmp_path, "data_batch_1.bin", cifar10.URL, "DRAWZOO_DATA")

    @pytest.mark.parametrize("raw", [b"", bytes(3072), b"\x0a" + bytes(3072), b"<html>" * 3073])
    def test_damaged(self, tmp_path, raw):
        (write_cifar(tmp_path, 2) / "data_batch_3.bin").write_bytes(raw)
        refused("cifar10", "train", tmp_path, "data_batch_3.bin", "damaged", cifar10.URL)

    def test_huge(self, tmp_path):
        with (write_cifar(tmp_path, 2) / "test_batch.bin").open("r+b") as file:
            file.truncate(3073 * 2**28)
        refused("cifar10", "test", tmp_path, "test_batch.bin", "damaged", "bytes")


@pytest.mark.parametrize(
    "name",
    [
        "draw-svhn-10k",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                *("model1-svhn-10k", "model2-svhn-10k", "model3-svhn-10k"),
                *("draw-svhn", "draw-svhn54", "draw-cifar10"),
            )
        ),
    ],
)
def test_recipes_train_and_are_evaluated(tmp_path, monkeypatch, name):
    """A few steps on files in the official layouts; then loaded, drawn from and measured."""
    config = model_config(name)
    if config.dataset == "svhn-10k":
        monkeypatch.setattr(
            svhn.SVHN_10K, "rows", {"train": slice(0, 10), "test": slice(10, 12)}, raising=False
        )
        pixels, labels = write_mat(tmp_path / "svhn" / "test_32x32.mat", 12)
        parts = np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), labels.copy()
        sums = tuple(hashlib.sha256(part).hexdigest() for part in parts)
        monkeypatch.setattr(svhn.SVHN_10K, "sha256", sums, raising=False)
    elif config.dataset == "svhn":
        for split in ("train", "test"):
            write_mat(tmp_path / "svhn" / f"{split}_32x32.mat", 12)
    elif config.dataset == "svhn54":
        for part in ("train", "extra", "test"):
            write_numbers(tmp_path / "svhn" / part, [[(10, 10, 20, 30)]] * 6)
    else:
        write_cifar(tmp_path, 3)
    training = TrainingConfig(max_steps=2, batch_size=4)
    images = load_dataset(config.dataset, "train", tmp_path, image=config.image)
    out = tmp_path / "run"
    out.mkdir()
    Trainer(RunConfig(config, training), images, out).run()
    model = drawzoo.load(f"local-dir:{out}")
    assert model.sample(2).shape == (2, *config.image)
    figure = measure(model, "bound", tmp_path, dataset=config.dataset)
    # Of noise, which has 8 bits and no structure to learn.
    assert 7.9 < figure.bits_per_dimension < 16
