"""`docs/json.md` names all that `--json` prints: where the program goes, the page follows."""

import json
import re
from pathlib import Path

import click
import pytest

from drawzoo.cli import cli

PAGE = (Path(__file__).parents[1] / "docs" / "json.md").read_text()
WORDS = set(re.findall(r"`([^`]+)`", PAGE))


def commands(group, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif any(parameter.name == "as_json" for parameter in command.params):
            yield " ".join((*path, name))


def test_every_command_is_on_the_page():
    assert set(commands(cli)) - WORDS == set()


@pytest.mark.parametrize(
    "args",
    [
        ("list",),
        ("info", "draw-t1-mnist"),
        ("plugins",),
        ("plugins", "--check", "draw"),
        ("pull", "draw-t1-mnist"),
        ("pull", "draw-t1-mnist", "--dry-run"),
        ("verify", "draw-t1-mnist"),
        ("evaluate", "draw-t1-mnist", "--dataset", "mnist-sample", "--images", "2"),
        ("reproduce", "tables"),
        ("reconstruct", "draw-t1-mnist", "0", "--dataset", "mnist-sample"),
        ("compare", "draw-t1-mnist", "draw-t2-mnist", "--image", "0"),
        ("analyze", "steps", "draw-t1-mnist", "0", "--dataset", "mnist-sample", "--num", "2"),
        ("analyze", "neighbours", "draw-t1-mnist", "--dataset", "synthetic", "--num", "2"),
        ("analyze", "parameters", "draw-t1-mnist"),
    ],
    ids=lambda args: " ".join(args[:2]),
)
def test_every_key_is_on_the_page(invoke, args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = invoke(*args, "--json")
    assert code == 0
    found = json.loads(out)
    for row in found if isinstance(found, list) else [found]:
        assert row.keys() - WORDS == set()
