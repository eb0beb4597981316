"""The rooms: the page that shows them is true, and the three ways through them never climb."""

import ast
import configparser
import contextlib
import re
import sys
from pathlib import Path

import pytest

import drawzoo
from drawzoo.registry.loader import registry
from drawzoo.schema.base import override
from drawzoo.store.published import read

ROOT = Path(__file__).parent.parent
DRAWZOO = ROOT / "drawzoo"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LINK = re.compile(r"\[`([\w.]+)`\]\(\.\./(\S+?\.py)\)")
ROW = re.compile(r"^\| (\w+) \| \[`([\w.]+)`\]\(\.\./(\S+?\.py)\) \|", re.MULTILINE)


def layers():
    """Room → its height, as the linter keeps it."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    lines = config["importlinter:contract:rooms"]["layers"].split("\n")
    heights = {}
    for height, line in enumerate(reversed([line for line in lines if line.strip()])):
        heights |= {room.strip(): height for room in line.split("|")}
    return heights


class Way:
    """The functions of drawzoo that run, and each call of one room's code by another's."""

    def __init__(self):
        self.functions = set()
        self.calls = set()

    @contextlib.contextmanager
    def followed(self):
        sys.setprofile(self._event)
        try:
            yield self
        finally:
            sys.setprofile(None)

    def _event(self, frame, event, _):
        # That a module is imported is no step of a way; the linter watches over imports.
        if event != "call" or frame.f_code.co_name == "<module>":
            return
        if (file := self._file(frame)) is None:
            return
        self.functions.add((file, frame.f_code.co_qualname))
        caller = frame.f_back
        # Of torch and of plugins only the caller counts: they stand in no room.
        while caller is not None and self._room(caller) is None:
            caller = caller.f_back
        if caller is not None and self._room(frame) is not None:
            self.calls.add((self._room(caller), self._room(frame), file, frame.f_code.co_qualname))

    @staticmethod
    def _file(frame):
        path = Path(frame.f_code.co_filename)
        for top in (DRAWZOO, ROOT / "plugins"):
            if path.is_relative_to(top):
                return str(path.relative_to(ROOT))
        return None

    def _room(self, frame):
        parts = Path(self._file(frame) or "").parts
        if parts[:1] != ("drawzoo",) or parts[-1] == "__init__.py" and len(parts) == 2:
            return None
        return parts[1].removesuffix(".py")


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """Training two steps, loading and drawing: what each called."""
    # Imported first, since everything is slow while it is followed.
    import torch._dynamo

    from drawzoo.training.loop import Trainer
    from drawzoo.training.validation import load_images

    registry()
    model = override(drawzoo.model_config("draw-mnist"), {"dataset": "synthetic", "steps": 2})
    training = drawzoo.TrainingConfig(batch_size=4, max_steps=2, validation=4)
    config = drawzoo.RunConfig(model, training)
    found = {"An image through training": Way()}
    with found["An image through training"].followed():
        images, validation = load_images(config, Path("none"))
        Trainer(config, images, tmp_path_factory.mktemp("run"), validation=validation).run()
    found["A name to its weights"] = Way()
    # What another test had read would not be read again.
    read.cache_clear()
    with found["A name to its weights"].followed():
        loaded = drawzoo.load("draw-mnist")
    found["A code through drawing"] = Way()
    with found["A code through drawing"].followed():
        loaded.sample(2, generator=torch.Generator().manual_seed(0))
    return found


NAMES = ["An image through training", "A code through drawing", "A name to its weights"]


@pytest.mark.parametrize("name", NAMES)
def test_no_way_climbs(ways, name):
    heights = layers()
    calls = ways[name].calls
    assert len({room for call in calls for room in call[:2]}) > 1
    assert [call for call in calls if heights[call[1]] > heights[call[0]]] == []


@pytest.mark.parametrize("name", NAMES)
def test_ways_go_through_the_functions_that_the_page_names(ways, name):
    section = TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    named = {(file, function) for function, file in LINK.findall(section)}
    assert len(named) > 8 and named - ways[name].functions == set()
    for room, function, file in ROW.findall(section):
        there = Path(file).parts
        assert room == ("plugin" if there[0] == "plugins" else there[1]), function


def test_page_has_all_rooms_in_their_order():
    table = TEXT.partition("| room |")[2].partition("\n\n")[0]
    rooms = re.findall(r"\[`(\w+)`\]", table)
    heights = layers()
    assert sorted(rooms) == sorted(heights)
    assert [heights[room] for room in rooms] == sorted(heights.values(), reverse=True)


def test_functions_and_files_that_the_page_names_are_there():
    for function, file in LINK.findall(TEXT.partition("## The equations")[2]):
        assert function in defined(ROOT / file), (function, file)
    for path in re.findall(r"`((?:drawzoo|plugins|tests)/[\w/.]+)`", TEXT):
        assert (ROOT / path).exists(), path


def test_equations_are_two_clicks_from_the_readme():
    """README → the page → a file, for each equation of the paper that is computed."""
    assert "(docs/architecture.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    table = TEXT.partition("## The equations")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\S.*?) \|.*\(\.\./(\S+?\.py)\)", table, flags=re.MULTILINE))
    found = {}
    for numbers, file in rows.items():
        for part in numbers.split(", "):
            first, _, last = part.partition("–")
            found |= dict.fromkeys(range(int(first), int(last or first) + 1), file)
    assert sorted(found) == list(range(1, 30))


def defined(path):
    """The qualified names of the functions in a file."""

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                yield prefix + child.name
                yield from walk(child, f"{prefix}{child.name}.")

    return set(walk(ast.parse(path.read_text(encoding="utf-8")), ""))
