"""Where a model's files come from: named folder, verified cache, shipped copy."""

import logging
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drawzoo import hub
from drawzoo.errors import OutputError, UnknownNameError, WeightsError
from drawzoo.hub import cached, locate, pull
from drawzoo.manifest import FILES, Published, pin
from drawzoo.paths import cache_root

NAME = "draw-mnist"


@pytest.fixture(autouse=True)
def shipped(monkeypatch, tmp_path):
    """The folder of a published model that ships; `model3-mnist` is not published here."""
    folder = tmp_path / "shipped" / NAME
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(f"content of {name}\n".encode() * 50)
    published = Published(
        repository=f"drawzoo/{NAME}",
        commit=None,
        parameters=1,
        files={name: pin(folder / name) for name in FILES},
        figures=[],
    )
    monkeypatch.setattr(hub, "manifest", lambda: {NAME: published})
    monkeypatch.setattr(
        hub, "shipped", lambda name: folder if name == NAME and folder.exists() else None
    )
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damage(folder, name="model.safetensors"):
    raw = bytearray((folder / name).read_bytes())
    raw[-1] ^= 1
    (folder / name).write_bytes(raw)


class TestPull:
    @pytest.mark.parametrize("name", [NAME, f"drawzoo:{NAME}"])
    def test_copies_and_says_from_where(self, shipped, name):
        assert cached(NAME) is None
        folder, source = pull(name)
        assert source == "shipped"
        assert contents(folder) == contents(shipped)
        assert folder.is_relative_to(cache_root())
        assert cached(NAME) == folder
        assert pull(name) == (folder, "cache")
        assert locate(name) == (folder, "cache")

    def test_leaves_nothing_else(self):
        folder, _ = pull(NAME)
        assert os.listdir(folder.parent) == [folder.name]

    @pytest.mark.parametrize("name", FILES)
    def test_mends_what_is_damaged(self, shipped, name):
        folder, _ = pull(NAME)
        damage(folder, name)
        assert pull(NAME).source == "shipped"
        assert contents(folder) == contents(shipped)
        (folder / name).unlink()
        assert pull(NAME).source == "shipped"
        assert contents(folder) == contents(shipped)
        assert os.listdir(folder.parent) == [folder.name]
        assert pull(NAME).source == "cache"

    @pytest.mark.parametrize("file", [Path(), Path("models"), Path("models", NAME)])
    def test_unwritable_cache(self, file):
        path = cache_root() / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"in the way")
        with pytest.raises(OutputError, match=r"^cannot pull [^\n]*DRAWZOO_CACHE[^\n]*$"):
            pull(NAME)
        assert path.read_bytes() == b"in the way"
        # What ships can be used all the same.
        assert locate(NAME).source == "shipped"

    def test_file_in_place_of_the_model(self):
        folder, _ = pull(NAME)
        shutil.rmtree(folder)
        folder.write_bytes(b"in the way")
        try:
            pull(NAME)
        except OutputError as error:
            assert str(folder) in str(error)
        else:
            assert cached(NAME) == folder

    def test_full_disk(self, monkeypatch, shipped):
        def full(*_):
            raise OSError(28, os.strerror(28))

        with monkeypatch.context() as patch:
            patch.setattr(shutil, "copyfile", full)
            with pytest.raises(OutputError, match="No space left"):
                pull(NAME)
        assert cached(NAME) is None
        assert contents(pull(NAME).folder) == contents(shipped)

    @pytest.mark.parametrize("damaged", [False, True])
    def test_several_at_once(self, monkeypatch, shipped, damaged):
        together = threading.Barrier(4)
        copy = shutil.copyfile

        def copyfile(source, target):
            result = copy(source, target)
            if Path(source).name == FILES[-1]:
                together.wait(10)
            return result

        if damaged:
            damage(pull(NAME).folder)
        with monkeypatch.context() as patch, ThreadPoolExecutor(4) as pool:
            patch.setattr(shutil, "copyfile", copyfile)
            results = list(pool.map(pull, [NAME] * 4))
        assert len({result.folder for result in results}) == 1
        assert contents(results[0].folder) == contents(shipped)
        assert os.listdir(results[0].folder.parent) == [results[0].folder.name]

    @pytest.mark.parametrize("damaged", [False, True])
    def test_another_process_that_is_a_moment_faster(self, monkeypatch, shipped, damaged):
        if damaged:
            damage(pull(NAME).folder)
        rename, racing = Path.rename, [True]

        def rename_late(self, target):
            # Just before a folder is moved, another process finishes the same pull.
            if racing:
                racing.clear()
                pull(NAME)
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", rename_late)
        folder, _ = pull(NAME)
        assert contents(folder) == contents(shipped)
        assert os.listdir(folder.parent) == [folder.name]


class TestLocate:
    def test_shipped_copy_without_a_cache(self, shipped):
        assert locate(NAME) == (shipped, "shipped")
        assert cached(NAME) is None

    @pytest.mark.parametrize("name", FILES)
    def test_damaged_cache_is_said_and_not_used(self, shipped, caplog, name):
        damage(pull(NAME).folder, name)
        with caplog.at_level(logging.WARNING, "drawzoo"):
            assert locate(NAME) == (shipped, "shipped")
        (record,) = caplog.records
        text = record.getMessage()
        assert name in text and f"drawzoo pull {NAME}" in text and "\n" not in text

    @pytest.mark.parametrize("call", [locate, pull])
    @pytest.mark.parametrize("name", FILES)
    def test_damaged_shipped_copy(self, shipped, call, name):
        expected = pin(shipped / name).sha256
        damage(shipped, name)
        found = pin(shipped / name).sha256
        with pytest.raises(WeightsError) as error:
            call(NAME)
        text = str(error.value)
        assert str(shipped / name) in text and "\n" not in text
        assert expected[:12] in text and found[:12] in text
        assert cached(NAME) is None

    @pytest.mark.parametrize("call", [locate, pull])
    def test_incomplete_shipped_copy(self, shipped, call):
        (shipped / FILES[0]).unlink()
        with pytest.raises(WeightsError, match=f"{FILES[0]} cannot be read"):
            call(NAME)

    @pytest.mark.parametrize("call", [locate, pull])
    def test_no_shipped_copy(self, shipped, call):
        shutil.rmtree(shipped)
        with pytest.raises(WeightsError, match="does not ship"):
            call(NAME)

    def test_cache_is_enough(self, shipped):
        folder, _ = pull(NAME)
        shutil.rmtree(shipped)
        assert locate(NAME) == pull(NAME) == (folder, "cache")

    def test_named_folder(self, tmp_path):
        folder = tmp_path / "a folder"
        with pytest.raises(WeightsError, match="no folder"):
            locate(f"local-dir:{folder}")
        folder.mkdir()
        assert locate(f"local-dir:{folder}") == (folder, "local-dir")

    def test_home_is_meant_by_a_tilde(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert locate("local-dir:~") == (tmp_path, "local-dir")


class TestNames:
    @pytest.mark.parametrize("call", [locate, pull])
    def test_unknown(self, call):
        with pytest.raises(UnknownNameError, match="did you mean draw-mnist"):
            call("draw-mnits")

    @pytest.mark.parametrize("call", [locate, pull])
    @pytest.mark.parametrize("name", ["runs/x", "./x", "../x", "/x", "runs\\x", ".", "C:\\x"])
    def test_folders_must_be_named_as_such(self, call, name):
        with pytest.raises(UnknownNameError, match="say local-dir:") as error:
            call(name)
        assert f"local-dir:{name}" in str(error.value)

    @pytest.mark.parametrize("call", [locate, pull])
    def test_not_published(self, call):
        with pytest.raises(WeightsError, match="drawzoo train model3-mnist"):
            call("model3-mnist")

    def test_nothing_outside_the_cache_is_touched(self, tmp_path):
        before = set(tmp_path.rglob("*"))
        for name in ("..", "../../x", "", "-", "draw-mnist/.."):
            with pytest.raises(UnknownNameError):
                pull(name)
        assert set(tmp_path.rglob("*")) == before
