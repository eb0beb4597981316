"""The Tab key: what the shells are told, as they ask for it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import get_completion_class

import drawzoo
from drawzoo.cli import cli
from drawzoo.cli.completion import SHELLS, VARIABLE, Registered, switch_on
from drawzoo.registry.loader import registry

DATASETS = {entry.name for entry in registry().entries("dataset")}
PROTOCOLS = {entry.name for entry in registry().entries("protocol")}
MODELS = set(drawzoo.list_models())


def completions(*words, shell="bash"):
    """What may stand in the place of the last word."""
    complete = get_completion_class(shell)(cli, {}, "drawzoo", VARIABLE)
    return complete.get_completions(list(words[:-1]), words[-1])


def values(*words):
    return {item.value for item in completions(*words)}


@pytest.mark.parametrize("shell", SHELLS)
def test_names_have_their_summaries(shell):
    found = {item.value: item.help for item in completions("sample", "draw-t", shell=shell)}
    assert found.keys() >= {"draw-t1-mnist", "draw-t2-mnist", "draw-t5-mnist"}
    entry = registry().find("model", "draw-t1-mnist")
    assert found["draw-t1-mnist"] == entry.summary != ""
    text = get_completion_class(shell)(cli, {}, "drawzoo", VARIABLE).format_completion(
        completions("sample", "draw-t1", shell=shell)[0]
    )
    assert "draw-t1-mnist" in text


@pytest.mark.parametrize(
    "words, expected",
    [
        (("",), {"evaluate", "sample", "analyze", "bench"}),
        (("ev",), {"evaluate"}),
        (("analyze", ""), {"steps", "neighbours"}),
        (("evaluate", "--"), {"--csv", "--json", "--dataset"}),
        (("evaluate", "draw-mnist", "--dataset", ""), DATASETS),
        (("evaluate", "draw-mnist", "--protocol", ""), PROTOCOLS),
        (("evaluate", "draw-mnist", "--against", ""), MODELS),
        (("evaluate", "draw-mnist", "model1"), {"model1-mnist"}),
        (("analyze", "steps", "draw-mnist", "--dataset", "mnist-"), {"mnist-sample"}),
        (("train", "draw-mnist", "--init-from", "model3"), {"model3-mnist"}),
        (("train", "draw-mnist", "--precision", ""), {"bf16", "float32"}),
        (("--plugin", "no-such.py", "sample", "model3-m"), {"model3-mnist"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_can_follow(words, expected):
    assert values(*words) >= expected
    assert all(value.startswith(words[-1]) for value in values(*words))


def test_what_does_not_begin_so_is_no_completion():
    assert values("sample", "nothing-") == values("evaluate", "m", "--dataset", "x-") == set()


def commands(group, path=()):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(
    "path, command", list(commands(cli)), ids=lambda v: " ".join(v) if isinstance(v, tuple) else ""
)
def test_every_model_dataset_and_protocol_is_completed(path, command):
    kinds = {"model": "model", "models": "model", "against": "model", "init_from": "model"}
    kinds |= {"dataset": "dataset", "protocol": "protocol"}
    for parameter in command.params:
        # What plots are against is no model.
        if (kind := kinds.get(parameter.name)) and path != ("plot",):
            assert isinstance(parameter.type, Registered), (path, parameter.name)
            assert parameter.type.name == kind


@pytest.mark.parametrize(
    "words, kind",
    [
        (("train", ""), "file"),
        (("card", "runs/"), "dir"),
        (("reconstruct", "draw-mnist", "my-"), "file"),
        (("sample", "--out", "x"), "file"),
    ],
)
def test_files_and_folders_are_the_shell_s(words, kind):
    assert completions(*words)[0].type == kind


def test_a_file_named_as_a_plugin_is_not_run(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert values("--plugin", str(file), "sample", "model3-m") == {"model3-mnist"}
    assert not (tmp_path / "ran").exists()


def ask(words, *, code="from drawzoo.cli import main; main([])", **env):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            VARIABLE: "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
            **env,
        },
    )


def test_needs_no_torch():
    code = (
        "import sys\nfrom drawzoo.cli import main\n"
        "try: main([])\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    )
    for words in (["drawzoo", "sa"], ["drawzoo", "evaluate", "m", "--dataset", "mn"]):
        done = ask(words, code=code)
        assert done.returncode == 0 and done.stderr == "False\n"


@pytest.mark.parametrize("strict", ["", "1"])
def test_a_broken_plugin_says_nothing_on_the_line(tmp_path, strict):
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken')")
    about = tmp_path / "broken-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[drawzoo]\nbroken = broken\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = ask(["drawzoo", "sample", "model3-m"], PYTHONPATH=path, DRAWZOO_STRICT_PLUGINS=strict)
    assert done.stderr == ""
    assert done.stdout == ("" if strict else "plain,model3-mnist\n")


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_takes_the_line():
    file, line = SHELLS["bash"]
    script = f"""
        {line}
        COMP_WORDS=(drawzoo sample model3-m) COMP_CWORD=2
        _drawzoo_completion drawzoo
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": path},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "model3-mnist\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_line_of_each_shell_is_one_that_click_knows(shell, monkeypatch):
    instruction = re.search(rf"{VARIABLE}=(\w+)_source drawzoo", SHELLS[shell][1])[1]
    assert get_completion_class(instruction).name == shell
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert switch_on() == (shell, *SHELLS[shell])


def test_other_shells_get_the_line_of_bash(monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert switch_on()[0] == "bash"
    monkeypatch.delenv("SHELL")
    assert switch_on()[0] == "bash"


def test_the_lines_are_in_the_help_and_the_pages(invoke):
    root = Path(__file__).parents[1]
    line = SHELLS["bash"][1]
    assert line in invoke("--help")[1]
    assert "(docs/scripts.md#completion)" in (root / "README.md").read_text(encoding="utf-8")
    page = (root / "docs" / "scripts.md").read_text(encoding="utf-8")
    for file, line in SHELLS.values():
        assert f"`{file}`" in page and f"\n{line}\n" in page
