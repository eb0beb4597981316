"""Pipes, devices, sockets and folders in the place of a file are refused before they are opened.

To open a pipe is to wait until somebody writes to it: each of these would wait for ever.
"""

import os
import socket

import pytest

from drawzoo.disk.atomic import check_regular, check_writable, open_regular, write_atomic
from drawzoo.errors import DataError, OutputError


@pytest.fixture(params=["pipe", "socket", "folder", "device"])
def strange(request, tmp_path, monkeypatch):
    """The path of something that is no regular file."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "strange"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "device":
        path.symlink_to(os.devnull)
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("strange")  # the full path would be too long
    return path


def test_are_refused_before_they_are_opened(strange):
    for function in (check_regular, open_regular):
        with pytest.raises(OSError, match="not a regular file"):
            function(strange)


def test_a_regular_file_and_a_link_to_one_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert check_regular(tmp_path / name).st_size == 4
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"text"


@pytest.mark.parametrize("check", [check_writable, lambda path: write_atomic(path, b"")])
def test_are_not_written_to(strange, check):
    with pytest.raises(OutputError, match=r"^cannot write .*strange: "):
        check(strange)
    assert os.listdir(strange.parent) == ["strange"]


def test_a_link_is_not_replaced(tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    for check in (check_writable, lambda path: write_atomic(path, b"")):
        with pytest.raises(OutputError, match="is a link; name the file itself"):
            check(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"text"


COMMANDS = {
    "codes": (["decode", "draw-mnist", "PIPE"], 5),
    "configuration": (["train", "PIPE.json", "--out", "run"], 3),
    "checkpoint": (["train", "--resume", "--out", "checkpoint"], 9),
    "image": (["reconstruct", "draw-mnist", "PIPE"], 5),
    "picture": (["sample", "draw-mnist", "--out", "PIPE"], 8),
    "folder": (["info", "local-dir:model"], 6),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_commands_refuse_a_pipe(models, run, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    for folder in ("checkpoint", "model"):
        (tmp_path / folder).mkdir()
    for name in (
        "PIPE",
        "PIPE.json",
        "checkpoint/checkpoint.safetensors",
        "model/config.json",
    ):
        os.mkfifo(name)
    words, expected = COMMANDS[kind]
    code, out, err = run(*words)
    assert code == expected and out == []
    (line,) = err.splitlines()
    assert "pipe" in line or "no regular file" in line


def test_a_log_that_is_a_pipe(tmp_path):
    from drawzoo.training.log import LOG, read_log

    os.mkfifo(tmp_path / LOG)
    with pytest.raises(OSError, match="a pipe"):
        read_log(tmp_path)


@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte", "train-images-idx3-ubyte.gz"])
def test_a_dataset_that_is_a_pipe(tmp_path, name):
    from drawzoo.data.images import load_dataset

    (tmp_path / "MNIST/raw").mkdir(parents=True)
    os.mkfifo(tmp_path / "MNIST/raw" / name)
    with pytest.raises(DataError, match="a pipe"):
        load_dataset("mnist", "test", tmp_path)
