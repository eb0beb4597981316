"""`docs/json.md` says what `--json` prints: where the program goes, the page follows."""

import json

import click
import pytest
from json_page import OTHERS, REAL, SECTIONS, WHOLE, check
from selection import quick

from drawzoo.cli import cli
from drawzoo.evaluation.protocol import protocols

SAMPLE = ("--dataset", "mnist-sample", "--images", 2)
SMALL = ("latent.size=2", "decoder.units=8", "encoder.units=8", "steps=2")
SETTINGS = [word for item in SMALL for word in ("--set", item)]
BENCH = ("draw-mnist", "--batch", 2, "--seconds", 0, "--no-compile", *SETTINGS)
CALLS = {
    "list": [("list",)],
    "info": [("info", "draw-t1-mnist"), ("info", "convdraw-binarized-mnist"), ("info", "RUN")],
    "plugins": [("plugins",)],
    "plugins --check": [("plugins", "--check", "draw")],
    "pull": [("pull", "draw-t1-mnist")],
    "pull --dry-run": [("pull", "draw-t1-mnist", "--dry-run"), ("pull", "RUN", "--dry-run")],
    "verify": [("verify", "draw-t1-mnist")],
    "evaluate bound": [("evaluate", "draw-t1-mnist", *SAMPLE)],
    "evaluate iwae": [("evaluate", "draw-t1-mnist", *SAMPLE, "--protocol", "iwae", "-k", 2)],
    "evaluate generated": [("evaluate", "draw-t1-mnist", *SAMPLE, "--protocol", "generated")],
    "evaluate accuracy": [("evaluate", "model2-mnist", *SAMPLE, "--protocol", "accuracy")],
    "evaluate --against": [("evaluate", "draw-t1-mnist", *SAMPLE, "--against", "draw-t2-mnist")],
    "plot": [("plot", "FOLDER")],
    "reconstruct": [("reconstruct", "draw-t1-mnist", 0)],
    "compare": [
        ("compare", "draw-t1-mnist", "draw-t2-mnist", "--image", 0),
        ("compare", "draw-t1-mnist", "RUN"),
    ],
    "analyze steps": [("analyze", "steps", "draw-t1-mnist", 0, "--num", 2)],
    "analyze interpolate": [("analyze", "interpolate", "draw-t1-mnist")],
    "analyze attention": [("analyze", "attention", "draw-t2-mnist", 0)],
    "analyze kernels": [("analyze", "kernels", "model1-mnist")],
    "analyze parameters": [
        ("analyze", "parameters", "draw-t1-mnist"),
        ("analyze", "parameters", "draw-t1-mnist", "draw-t2-mnist", "--versus", "steps"),
    ],
    "analyze neighbours": [
        ("analyze", "neighbours", "draw-t1-mnist", "--dataset", "synthetic", "--num", 2)
    ],
    "bench train": [("bench", "train", *BENCH)],
    "bench evaluate": [("bench", "evaluate", *BENCH)],
    "bench sample": [("bench", "sample", *BENCH)],
    "bench memory": [("bench", "memory", "draw-mnist", "--batch", 2, *SETTINGS)],
    "reproduce tables": [("reproduce", "tables")],
    "doctor": [("doctor",)],
}
ELSEWHERE = {"bench scaling", "bench quality", "bench coders", "cluttered"}
"""Compared in the tests of these commands, which prepare what they need."""


def commands(group, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif any(parameter.name == "as_json" for parameter in command.params):
            yield " ".join((*path, name))


def test_every_command_is_on_the_page():
    assert set(commands(cli)) - SECTIONS.keys() == set()


def test_every_protocol_is_on_the_page():
    assert {f"evaluate {name}" for name in protocols()} <= SECTIONS.keys()


def test_every_section_is_compared():
    # The values of `quality` are figures of `info` and `reproduce tables`, which are compared too.
    others = {"evaluate", "evaluate --csv", "evaluate quality", *ELSEWHERE}
    assert SECTIONS.keys() == CALLS.keys() | others


@pytest.mark.parametrize("name", SECTIONS)
def test_keys_are_there_once_and_have_a_kind(name):
    rows = SECTIONS[name]
    assert len({row.path for row in rows}) == len(rows)
    assert {row.kind for row in rows} <= WHOLE | REAL | OTHERS


# The doctor starts processes that import torch; `test_doctor` reads its JSON without them.
@pytest.mark.parametrize("name", quick(CALLS, *CALLS.keys() - {"doctor", "analyze parameters"}))
def test_what_is_printed_is_on_the_page(invoke, trained, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("drawzoo_bench.command.SAMPLE_BATCHES", (2, 4))
    printed = []
    for args in CALLS[name]:
        words = {"RUN": f"local-dir:{trained}", "FOLDER": trained}
        code, out, err = invoke(*(words.get(arg, arg) for arg in args), "--json")
        assert code == 0, err
        printed.append(json.loads(out))
    check(name, *printed)


def test_a_key_that_the_page_lacks_is_found():
    good = {"name": "m", "folder": "f", "source": "cache", "commit": None}
    check("pull", good)
    for wrong in ({**good, "more": 1}, {**good, "folder": None}, {**good, "name": 3}):
        with pytest.raises(AssertionError, match="pull: "):
            check("pull", wrong)
    with pytest.raises(AssertionError, match="not printed"):
        check("pull", {key: good[key] for key in ("name", "folder", "source")})
