"""Tables in terminals of any width: what is shown can be copied."""

import click
import pytest

from drawzoo.cli.table import print_table

HEADER = ["name", "number of things", "plugin", "what it gives"]
ROWS = [
    ["a-rather-long-name", "1", "somebody", "one two three four five six seven eight nine ten"],
    ["b", "20,000", "nobody", "eleven"],
]


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Prints the table in a terminal of some width; gives its lines."""

    def call(width, *args, **options):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(width))
        print_table(*args, **options)
        return [line.rstrip() for line in click.unstyle(capsys.readouterr().out).splitlines()]

    return call


def test_whole_where_there_is_room(terminal):
    lines = terminal(120, HEADER, ROWS, drop=["plugin"], prose="what it gives")
    assert len(lines) == 3
    assert all(
        cell in line for line, row in zip(lines, [HEADER, *ROWS], strict=True) for cell in row
    )


@pytest.mark.parametrize("width", range(2, 120, 7))
def test_no_name_is_ever_cut(terminal, width):
    lines = terminal(width, HEADER, ROWS, drop=["plugin"], prose="what it gives")
    words = [word for line in lines for word in line.split()]
    assert {"a-rather-long-name", "b"} <= set(words)
    known = {word for row in [HEADER, *ROWS] for cell in row for word in cell.split()}
    assert set(words) <= known
    assert max(map(len, lines)) <= max(width, len("a-rather-long-name"))


def test_least_wanted_columns_go_first(terminal):
    def titles(width):
        text = " ".join(terminal(width, HEADER, ROWS, drop=["plugin"]))
        return [title for title in ("name", "number", "plugin", "gives") if title in text]

    assert titles(90) == ["name", "number", "plugin", "gives"]
    assert titles(80) == ["name", "number", "gives"]
    assert titles(40) == ["name", "number"]
    assert titles(20) == ["name"]


def test_no_rows(terminal):
    assert terminal(80, HEADER, []) == ["  ".join(HEADER)]


def test_markup_is_text(terminal):
    assert terminal(80, ["name"], [["[bold]x[/bold]"]])[1] == "[bold]x[/bold]"


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("args", [["list"], ["reproduce", "tables"]], ids=" ".join)
def test_names_of_models_can_be_copied(invoke, monkeypatch, args, width):
    from drawzoo import list_models

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    lines = click.unstyle(invoke(*args)[1]).splitlines()
    names = [line.split()[0] for line in lines if line[:1].isalpha() and "-mnist" in line]
    assert {"draw-mnist", "draw-noattention-mnist"} <= set(names) <= set(list_models())
    rows = [line.rstrip() for line in lines if line.split() and line.split()[0] in names]
    assert max(map(len, rows)) <= width and all(
        "." in r for r in rows if r.startswith("draw-mnist")
    )
