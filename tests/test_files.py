"""Files are written whole or not at all."""

import errno
import multiprocessing
import os
import signal
import stat
import threading

import pytest

from drawzoo.disk.atomic import check_writable, locked, open_atomic, write_atomic
from drawzoo.errors import OutputError
from drawzoo.schema.manifest import Published, read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("before", [None, b"old", b"much longer than what replaces it"])
def test_content_is_replaced(folder, before):
    path = folder / "file"
    if before is not None:
        path.write_bytes(before)
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(folder) == ["file"]


def test_files_are_as_open_as_any_other(folder):
    (folder / "plain").touch()
    write_atomic(folder / "file", b"")
    modes = {stat.S_IMODE((folder / name).stat().st_mode) for name in ("plain", "file")}
    assert len(modes) == 1


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_leaves_what_was_there(folder, monkeypatch, before, call):
    path = folder / "file"
    if before is not None:
        path.write_bytes(before)
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OutputError, match=r"^cannot write .*file: No space left.*room[^\n]*$"):
        write_atomic(path, b"new")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == (
        {} if before is None else {"file": before}
    )


@pytest.mark.parametrize("error", [full, KeyboardInterrupt, ValueError])
def test_writer_that_fails_leaves_what_was_there(folder, error):
    path = folder / "file"
    path.write_bytes(b"old")
    with (
        pytest.raises(OutputError if error is full else error),
        open_atomic(path) as file,
    ):
        file.write(b"half of it")
        raise error()
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"file": b"old"}


def test_nothing_is_seen_before_all_is_written(folder):
    path = folder / "file"
    path.write_bytes(b"old")
    with open_atomic(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("check", [check_writable, lambda path: write_atomic(path, b"")])
class TestUnusableTargets:
    def test_missing_folder(self, folder, check):
        with pytest.raises(OutputError, match=r"^cannot write .*folder .*missing.*create it$"):
            check(folder / "missing" / "file")
        assert os.listdir(folder) == []

    def test_file_instead_of_a_folder(self, folder, check):
        (folder / "file").write_bytes(b"old")
        with pytest.raises(OutputError, match=r"^cannot write [^\n]*$"):
            check(folder / "file" / "below")
        assert (folder / "file").read_bytes() == b"old"

    def test_folder(self, folder, check):
        (folder / "target").mkdir()
        with pytest.raises(OutputError, match=r"^cannot write .*target: [^\n]*$"):
            check(folder / "target")
        assert os.listdir(folder) == ["target"]

    def test_name_that_no_file_can_have(self, folder, check):
        with pytest.raises(OutputError, match=r"^cannot write [^\n]*$"):
            check(folder / ("x" * 300))
        assert os.listdir(folder) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("check", [check_writable, lambda path: write_atomic(path, b"")])
def test_folder_that_cannot_be_written(folder, monkeypatch, check, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OutputError, match=rf"^cannot write .*{os.strerror(number)}[^\n]*$"):
            check(folder / "file")
    assert os.listdir(folder) == []


def test_check_changes_nothing(folder):
    (folder / "file").write_bytes(b"old")
    check_writable(folder / "file")
    check_writable(folder / "new")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"file": b"old"}


def test_devices_stay_devices(folder, monkeypatch):
    # As `--out /dev/null`: replacing it would break the machine of one who is root.
    path = folder / "device"
    path.touch()
    before = path.stat().st_ino
    monkeypatch.setattr(type(path), "is_char_device", lambda self: True)
    write_atomic(path, b"new")
    assert path.stat().st_ino == before
    assert path.read_bytes() == b"new"


def test_folder_is_locked_once(folder):
    reason = r"another process .* choose another folder$"
    with locked(folder), pytest.raises(OutputError, match=reason), locked(folder):
        pass
    with locked(folder):
        pass


def die_while_writing(path):
    with open_atomic(path) as file:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_is_swept_by_the_next(folder):
    (folder / "file").write_bytes(b"old")
    (folder / ".own.part").touch()
    process = multiprocessing.get_context("fork").Process(
        target=die_while_writing, args=(folder / "file",)
    )
    process.start()
    process.join(60)
    assert len(os.listdir(folder)) == 3
    with locked(folder):
        assert {".own.part", "file"} <= set(os.listdir(folder)) <= {".lock", ".own.part", "file"}
    assert (folder / "file").read_bytes() == b"old"


def test_umask_of_the_process_is_never_touched(folder, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("umask"))
    write_atomic(folder / "file", b"")


def test_a_name_with_nul_is_refused(folder):
    with pytest.raises(OutputError, match="NUL"):
        write_atomic(folder / "a\0b", b"")


def test_manifest_entries_written_at_once_all_stand(folder):
    path, barrier = folder / "manifest.json", threading.Barrier(8)

    def write(name):
        barrier.wait(30)
        write_manifest(path, name, Published(f"u/{name}", None, 1, {}, []))

    threads = [threading.Thread(target=write, args=(f"m{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(read_manifest(path)) == [f"m{i}" for i in range(8)]
