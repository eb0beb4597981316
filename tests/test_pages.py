"""What the README and the pages in `docs` say to type is what the command line takes."""

import re
import shlex
from pathlib import Path

import click
import pytest

import drawzoo
from drawzoo.cli import cli
from drawzoo.commands import override, parse_setting, to_dict

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RECIPE = ROOT / "docs" / "training.md"


def lines(page):
    """The lines of the page's shell blocks that call drawzoo."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    found = "\n".join(blocks).replace("\\\n", "").splitlines()
    # The command `wavelet` is what the page of the hooks shows how to make.
    return [line for line in found if re.match("drawzoo (?!wavelet )", line)]


COMMANDS = [(page.name, line) for page in PAGES for line in lines(page)]


def parsed(words):
    """The context of a command, after all of its arguments have been read."""
    command, path = cli, []
    while isinstance(command, click.Group):
        if words[0] == "--plugin":
            words = words[2:]
        path.append(words[0])
        command = command.get_command(click.Context(command), words[0])
        words = words[1:]
        assert command, path
    return command.make_context(" ".join(path), words)


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda value: value[:60])
def test_arguments_are_taken(page, line, monkeypatch):
    # No file that a page names is here.
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)
    words = shlex.split(line, comments=True)
    assert "…" not in words, "a command is printed whole"
    context = parsed(words[1:])
    if context.info_name == "train":
        settings = dict(map(parse_setting, context.params["settings"]))
        check_settings(context.params["model"], settings)


def check_settings(model, settings):
    """Each is one of training, with a value that it may have, or one of the model's own."""
    names = drawzoo.TrainingConfig.__struct_fields__
    training = {key: value for key, value in settings.items() if key in names}
    override(drawzoo.TrainingConfig(), {"epochs": 10**6, **training})
    rest = {key: value for key, value in settings.items() if key not in names}
    if model in drawzoo.list_models():
        override(drawzoo.model_config(model), rest)
    else:
        known = drawzoo.ModelConfig.__struct_fields__
        assert all(key.partition(".")[0] in known for key in rest)


def test_the_recipe_is_the_default():
    rows = re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", RECIPE.read_text(), re.MULTILINE)
    defaults = to_dict(drawzoo.TrainingConfig())
    assert len(rows) == 11
    assert {key: str(defaults[key]) for key, _ in rows} == dict(rows)


@pytest.mark.parametrize("page", ["README.md", "docs/fast.md"])
def test_the_page_of_training_is_linked(page):
    link = "docs/training.md" if page == "README.md" else "training.md"
    assert f"]({link})" in (ROOT / page).read_text(encoding="utf-8")
