"""Progress where there is no terminal."""

import pytest

from drawzoo.cli import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that shows ten seconds more each time that somebody looks."""
    now = iter(range(0, 10**6, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))


def test_a_line_every_so_often(clock, capsys):
    assert list(progress.progress(range(9), "model bound")) == list(range(9))
    out, err = capsys.readouterr()
    assert out == ""
    # Whoever looks after 30 seconds says so, and looks once more.
    assert err.splitlines() == [f"model bound: {done} of 9" for done in (2, 5, 8)]


@pytest.mark.parametrize("shown", [True, False])
def test_nothing_of_what_is_short_or_not_to_be_shown(request, capsys, shown):
    if not shown:
        request.getfixturevalue("clock")
    assert list(progress.progress(range(9), "model bound", shown=shown)) == list(range(9))
    assert capsys.readouterr() == ("", "")
