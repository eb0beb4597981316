"""What the command line says: help with its lines, messages of bounded length, choices named."""

import json
import os
import subprocess
import sys
import warnings
from typing import Literal

import pytest

from drawzoo.errors import MAX_LINE, ConfigError, short
from drawzoo.schema.base import Config, convert
from drawzoo.schema.model import ModelConfig


def shell(line, **env):
    return subprocess.run(
        ["sh", "-c", line.replace("drawzoo", f"exec {sys.executable} -m drawzoo", 1)],
        capture_output=True,
        timeout=120,
        env=os.environ | env,
    )


@pytest.mark.parametrize("args", [(), ("analyze",), ("bench",)], ids=" ".join)
def test_without_arguments_the_help_keeps_its_lines(invoke, args):
    code, out, err = invoke(*args)
    assert code == 2 and "Error" not in err
    assert (out + err).splitlines() == invoke(*args, "--help")[1].splitlines()


class TestLength:
    def test_of_an_error_keeps_its_ends(self, invoke, monkeypatch):
        def broken(*_):
            raise ConfigError(f"thing: holds {'x' * 100_000}; choose another")

        monkeypatch.setattr("drawzoo.registry.build.list_models", broken)
        code, _, err = invoke("list")
        assert code == 3
        assert len(err.rstrip("\n")) <= MAX_LINE
        assert err.startswith("Error: thing: holds xx") and err.endswith("; choose another\n")

    def test_of_a_note(self, invoke, monkeypatch):
        def noting(*_):
            warnings.warn("y\x1b" * 1_000, stacklevel=1)
            return []

        monkeypatch.setattr("drawzoo.registry.build.list_models", noting)
        note = invoke("list")[2].splitlines()[0]
        assert note.startswith("Note: y") and len(note) <= MAX_LINE and "\x1b" not in note

    @pytest.mark.parametrize("length", [0, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 10_000])
    def test_bound(self, length):
        line = "z" * length
        assert len(short(line)) == min(length, MAX_LINE)
        assert length > MAX_LINE or short(line) == line


class Chosen(Config, frozen=True):
    kind: Literal["hard", "soft"] = "hard"


class TestChoices:
    def test_of_a_setting(self):
        with pytest.raises(ConfigError, match="'gauss'.*kind; choose hard or soft"):
            convert({"kind": "gauss"}, Chosen)

    def test_a_name_is_told_in_words(self):
        with pytest.raises(ConfigError, match="lower-case letters, digits, - and _ - at variant"):
            convert({"variant": "A b"}, ModelConfig)


class TestOutput:
    def test_no_standard_output(self):
        result = shell("drawzoo list >&-")
        assert (result.returncode, result.stderr) == (0, b"")

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
    def test_an_encoding_without_the_characters(self, encoding):
        result = shell("drawzoo reproduce tables", PYTHONIOENCODING=encoding)
        assert (result.returncode, result.stderr) == (0, b"")
        assert b"draw-t1-mnist" in result.stdout

    def test_json_is_ascii(self):
        result = shell("drawzoo reproduce tables --json", PYTHONIOENCODING="cp1252")
        assert result.stdout.isascii() and json.loads(result.stdout)
