"""The files of an exported model: where they may lie, and how they are written. Free of torch."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from drawzoo import OutputError
from drawzoo.commands import (
    OutputFile,
    check_regular,
    check_writable,
    make_folder,
    no_empty_folder,
    open_atomic,
)
from drawzoo_export.kinds import KINDS

__all__ = ["ABOUT", "Target"]

ABOUT = "export.json"
"""The file that says what an exported model is."""


class Target:
    """Where an exported model goes.

    Arguments:
        out: A folder that is there, or a new one without a suffix, for start, step and drawing;
            or else a file for the drawing alone, beside which `NAME.json` says what it is.
        to: The name of a kind.

    Raises:
        click.BadParameter: If a file has not the kind's suffix.
        OutputError: If it cannot be written, or holds something else than such a model.
    """

    def __init__(self, out: Path, to: str) -> None:
        self.whole = out.is_dir() or not (out.suffix or out.exists() or str(out) == "-")
        self.out = out if self.whole else OutputFile(KINDS[to].suffix).convert(out, None, None)
        self.about = out / ABOUT if self.whole else out.with_name(f"{out.name}.json")
        self._check(to)

    def _check(self, to: str) -> None:
        """Refuses at once, before any work."""
        if not self.whole:
            check_writable(self.out)
        there = next(folder for folder in self.about.parents if folder.exists())
        check_writable(there / self.about.name)
        taken = any(self.out.iterdir()) if self.whole and self.out.is_dir() else False
        if (taken or self.about.exists()) and _format_of(self.about) != to:
            what = self.out if self.whole else self.about
            raise OutputError(
                f"{what} is there, and is no model exported to {to}; name another with --out"
            )

    def write(self, files: dict[str, bytes], about: dict[str, Any]) -> int:
        """Writes all files, and last what they are; after an error all is as it was.

        Arguments:
            files: Name of a graph → its bytes; of the drawing alone unless `whole`.
            about: What the JSON says. The files' names are filled in.

        Returns:
            The bytes written.

        Raises:
            OutputError: If a file cannot be written.
        """
        paths = {name: self._path(name, about["format"]) for name in files}
        for name, path in paths.items():
            about["graphs"][name]["file"] = path.name
        text = json.dumps(about, indent=1, ensure_ascii=False).encode() + b"\n"
        # The JSON, which says that all others are there, is opened first and gets its name last.
        contents = {self.about: text, **{paths[name]: data for name, data in files.items()}}
        with no_empty_folder(self.about.parent):
            make_folder(self.about.parent)
            with contextlib.ExitStack() as stack:
                opened = [stack.enter_context(open_atomic(path)) for path in contents]
                for file, data in zip(opened, contents.values(), strict=True):
                    file.write(data)
                # All are on the disk under other names before the first gets its own.
                for file in opened:
                    file.flush()
                    os.fsync(file.fileno())
        return sum(map(len, contents.values()))

    def _path(self, graph: str, to: str) -> Path:
        """The file of a graph."""
        return self.out / f"{graph}{KINDS[to].suffix}" if self.whole else self.out


def _format_of(about: Path) -> str | None:
    """The format of the model that a file tells of; None if it tells of none."""
    try:
        check_regular(about)
        return str(json.loads(about.read_bytes())["format"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
