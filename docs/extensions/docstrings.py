r"""Docstrings are Markdown; Sphinx reads reStructuredText.

`code` in backticks, \(…\) and \[…\] become what they are there. Public names become links.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
from typing import Any

import drawzoo

OPTION = re.compile(r"(?<![\w`\[|-])--[a-z][a-z-]*(?![^`]*`[^`]*$)")
TOKEN = re.compile(r"``.*?``|`[^`]+`|\\\(.+?\\\)|\*")


def linked(code: str) -> str:
    name = code.removeprefix("drawzoo.").removesuffix("()")
    if name.partition(".")[0] in drawzoo.__all__:
        return f":py:obj:`{code} <drawzoo.{name}>`"
    return f"``{code}``"


def token(found: re.Match[str]) -> str:
    text = found[0]
    if text == "*":
        return r"\*"
    if text.startswith("``"):
        return text
    return f":math:`{text[2:-2]}`" if text[0] == "\\" else linked(text[1:-1])


def converted(lines: list[str]) -> list[str]:
    """The lines of a docstring, in reStructuredText."""
    text = "\n".join(lines)
    text = re.sub(
        r"^( *)\\\[(.*?)\\\]$",
        lambda found: f"{found[1]}.. math:: {' '.join(found[2].split())}",
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    return [
        line if re.match(r"\s*(>>>|\.\.\.|\.\. math::)", line) else TOKEN.sub(token, line)
        for line in text.split("\n")
    ]


def below_assignment(module: str, name: str) -> list[str]:
    """The string below an assignment, in the module that the name is imported from at last."""
    found = importlib.import_module(module)
    if inspect.ismodule(getattr(found, name)):
        return inspect.getdoc(getattr(found, name)).splitlines()
    tree = ast.parse(inspect.getsource(found))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return below_assignment(node.module, alias.name)
    for node, after in itertools.pairwise(tree.body):
        if isinstance(node, ast.Assign) and name in re.findall(
            r"\w+", " ".join(map(ast.unparse, node.targets))
        ):
            return inspect.cleandoc(after.value.value).splitlines()
    raise LookupError(f"{module}.{name} is not documented")


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what == "data":
        lines[:] = below_assignment(*name.rsplit(".", 1))
    lines[:] = converted(lines)


def sign(
    app: Any,
    what: str,
    name: str,
    obj: Any,
    options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """A default that is made anew each time is an ellipsis, as in a stub: Sphinx can read that."""
    return signature and signature.replace("<factory>", "..."), returns


def describe(app: Any, context: Any, lines: list[str]) -> None:
    """The help of a command: its examples, which are line blocks, and its options are code."""
    lines[:] = [
        re.sub(r"^(\s*\| *)(\S.*)", r"\1``\2``", line)
        if line.lstrip().startswith("| ")
        else converted([OPTION.sub(r"`\g<0>`", line)])[0]
        for line in lines
    ]


def describe_options(app: Any, context: Any, lines: list[str]) -> None:
    lines[:] = [line if ".. option::" in line else OPTION.sub(r"``\g<0>``", line) for line in lines]


def setup(app: Any) -> dict[str, Any]:
    # Before napoleon, which is at 500.
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("autodoc-process-signature", sign)
    app.connect("sphinx-click-process-description", describe)
    app.connect("sphinx-click-process-options", describe_options)
    return {"parallel_read_safe": True}
