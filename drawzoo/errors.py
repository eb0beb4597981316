"""The errors a user can meet, and the exit code of each.

Every message is one line: the thing, the reason, and what to do next. The command line prints it
as it is; `DRAWZOO_DEBUG=1` adds the traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DataError",
    "DistributedError",
    "DrawzooError",
    "HubError",
    "OutputError",
    "PluginError",
    "TrainingError",
    "UnknownNameError",
    "WeightsError",
    "counted",
    "nearest",
    "one_line",
    "short",
]


MAX_LINE = 300
"""Characters of a message."""


def one_line(message: str) -> str:
    """A message as one printable line: parts of it may come from a stranger's file."""
    return "".join(c if c.isprintable() else " " for c in message)


def counted(number: int, thing: str) -> str:
    """A number of things, in words.

    Example:
        >>> counted(1, "image"), counted(10_000, "image")
        ('1 image', '10,000 images')
    """
    return f"{number:,} {thing}{'s' * (number != 1)}"


def short(line: str) -> str:
    """A line of at most `MAX_LINE` characters: the middle goes, as the long values are there.

    The thing and the reason come first, the next step last.

    Example:
        >>> short("x" * 1000)[198:203]
        'x … x'
    """
    if len(line) <= MAX_LINE:
        return line
    return f"{line[: MAX_LINE - 100 - 1]} … {line[-(100 - 2) :]}"


class DrawzooError(Exception):
    """Base of all errors raised on purpose; caught at the command line."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ConfigError(DrawzooError):
    """A configuration or an argument does not describe something that can be built."""

    exit_code = 3


class UnknownNameError(DrawzooError):
    """No model, component or dataset has that name."""

    exit_code = 4


class DataError(DrawzooError):
    """A dataset is missing, incomplete or not what it claims to be."""

    exit_code = 5


class WeightsError(DrawzooError):
    """Weights are missing, damaged, or do not fit their configuration."""

    exit_code = 6


class PluginError(DrawzooError):
    """A plugin cannot be loaded, clashes with another, or is not installed."""

    exit_code = 7


class OutputError(DrawzooError):
    """A file cannot be written."""

    exit_code = 8


class TrainingError(DrawzooError):
    """Training cannot go on; the last good checkpoint is kept."""

    exit_code = 9


class DistributedError(TrainingError):
    """Another process of the same run has died."""


class HubError(DrawzooError):
    """The Hugging Face Hub cannot be reached, refuses, or lacks what was asked for."""

    exit_code = 10


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint `"; did you mean a, b?"`, or the known names when none is near.

    Example:
        >>> nearest("lsmt", ["lstm", "conv"])
        '; did you mean lstm?'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {', '.join(close)}?"
    return f"; known: {', '.join(known)}" if known else ""
