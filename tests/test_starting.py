"""What the command line says while a module is imported."""

import sys
import threading

import pytest

from drawzoo.cli import starting

SLOW = "drawzoo_slow_module"


@pytest.fixture
def importing(tmp_path, monkeypatch):
    """A module whose import ends when the event is set, or after a minute."""
    event = threading.Event()
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{SLOW}.py").write_text("import drawzoo_slow_event\ndrawzoo_slow_event.wait(60)\n")
    monkeypatch.setitem(sys.modules, "drawzoo_slow_event", event)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(starting, "POLL", 0.001)
    yield event
    sys.modules.pop(SLOW, None)


def test_a_slow_import_is_told(importing, monkeypatch):
    said = []

    def echo(line, err):
        said.append((line, err))
        importing.set()

    monkeypatch.setattr(starting.click, "echo", echo)
    with starting.watched(SLOW):
        __import__(SLOW)
    assert said == [(f"starting {SLOW} …", True)]


def test_a_fast_import_is_not(importing, capsys, monkeypatch):
    monkeypatch.setattr(starting, "PATIENCE", float("inf"))
    importing.set()
    with starting.watched(SLOW):
        __import__(SLOW)
    with starting.watched("drawzoo_never_imported"):
        pass
    assert capsys.readouterr().err == ""


def test_nothing_is_said_in_a_file(importing, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    before = threading.active_count()
    with starting.watched(SLOW):
        assert threading.active_count() == before
