"""Writes docs/configuration.md, every key of every configuration, from the schemas' docstrings.

python docs/make_configuration.py
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

import msgspec

from drawzoo import ModelConfig, TrainingConfig
from drawzoo.commands import COMPONENTS, markdown_table, registry

PAGE = Path(__file__).parent / "configuration.md"
HEAD = """# Configuration

`python docs/make_configuration.py` makes this page from the schemas. Every key can be given to
`drawzoo train` with `--set KEY=VALUE`, the value as JSON or as text; a component's own settings go
by `encoder.units=128`, and another component by `encoder.name=gated`. A wrong key, type or value is
refused in one line, before anything is computed.

```sh
drawzoo train draw-mnist --set steps=5 --set encoder.units=128 --set batch_size=100 --out runs/small
drawzoo train draw-mnist --set encoder.name=gated --set encoder.units=64 --out runs/gru
drawzoo info draw-mnist --json        # a model's whole configuration
```
"""
MODEL = """## The model

`config.json` beside the weights, and `drawzoo.ModelConfig` in Python.
"""
TRAINING = """## The training

`drawzoo.TrainingConfig` in Python. [Training well](training.md) says how the defaults were chosen.
"""
VARIABLES = [
    ["`DRAWZOO_DATA`", "where data sets lie; else `data` in the cache"],
    ["`DRAWZOO_CACHE`", "drawzoo's cache; else the user's, `~/.cache/drawzoo`"],
    ["`DRAWZOO_DEBUG=1`", "shows tracebacks"],
    ["`DRAWZOO_KERNELS=0`", "does without the C kernels"],
    ["`DRAWZOO_LOAD_PLUGINS=a,b`", "loads these plugins alone; empty: none"],
    ["`DRAWZOO_DISABLE_PLUGINS=a,b`", "leaves these plugins out"],
    ["`DRAWZOO_STRICT_PLUGINS=1`", "makes a failing plugin or a clash an error"],
    ["`HF_HOME`, `HF_HUB_CACHE`", "the cache of the Hub, where weights lie"],
    ["`HF_ENDPOINT`, `HF_HUB_OFFLINE`", "the Hub's address, a mirror for example; no network"],
    ["`HF_TOKEN`", "sent by `drawzoo publish` alone"],
    ["`OMP_NUM_THREADS`", "threads of PyTorch and of the kernels"],
]
PARTS = """## The components

Each has a name and settings of its own; `drawzoo plugins` lists those of other plugins too.
"""


def attributes(kind: type) -> dict[str, str]:
    """Field → what the class's docstring, or the string below the field, says of it."""
    found = {}
    text = inspect.getdoc(kind) or ""
    for name, said in re.findall(
        r"^    (\w+): (.*?)(?=\n    \w+: |\n\S|\Z)", text.partition("Attributes:")[2], re.S | re.M
    ):
        found[name] = " ".join(said.split())
    below = re.findall(r'^    (\w+): [^\n]+\n    """(.*?)"""', inspect.getsource(kind), re.S | re.M)
    return found | {name: " ".join(said.split()) for name, said in below}


def words(kind: Any) -> str:
    """A type, and the bounds of its values."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        bounds = arguments[1]
        ends = [
            f"{sign} {number(bound)}"
            for sign, bound in (
                ("≥", bounds.ge),
                (">", bounds.gt),
                ("≤", bounds.le),
                ("<", bounds.lt),
            )
            if bound is not None
        ]
        return " ".join([words(arguments[0]), ", ".join(ends)]).strip()
    if origin in (typing.Union, types.UnionType):
        return " or ".join(words(one) for one in arguments)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"list of {words(arguments[0]).replace('number', 'numbers')}"
        return f"{len(arguments)} {words(arguments[0]).replace('number', 'numbers')}"
    if origin is typing.Literal:
        return " or ".join(map(str, arguments))
    plain = {int: "whole number", float: "number", str: "text", type(None): "null"}
    return plain.get(kind) or ("component" if kind.__name__ == "ComponentConfig" else "object")


def number(value: float) -> str:
    power = {2**53: "2⁵³", 10**9: "10⁹", 10**6: "10⁶"}
    return (
        power.get(value) or f"{value:,}"
        if isinstance(value, int)
        else power.get(int(value)) or f"{value:g}"
    )


def rows(kind: type[msgspec.Struct]) -> list[list[str]]:
    said, hints = attributes(kind), typing.get_type_hints(kind, include_extras=True)
    found = []
    for field in msgspec.structs.fields(kind):
        if field.name not in said:
            raise SystemExit(
                f"{kind.__name__} does not say what {field.name} is, below Attributes:"
            )
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if default is msgspec.NODEFAULT:
            told = "needed"
        elif isinstance(default, msgspec.Struct):
            told = f"`{default.name}`"  # type: ignore[attr-defined]
        else:
            told = f"`{json.dumps(default)}`"
        found.append(
            [
                f"`{field.name}`",
                words(hints[field.name]),
                told,
                said[field.name].replace("|", "\\|"),
            ]
        )
    return found


def table(kind: type[msgspec.Struct]) -> str:
    return markdown_table(["key", "value", "default", ""], rows(kind)) + "\n"


def page() -> str:
    """The page's text."""
    parts = [HEAD, MODEL, table(ModelConfig), TRAINING, table(TrainingConfig), PARTS]
    for kind in COMPONENTS:
        parts.append(f"### {kind}\n")
        for entry in sorted(registry().entries(kind), key=lambda entry: entry.name):
            if entry.distribution != "drawzoo":
                continue
            parts.append(f"**`{entry.name}`**: {entry.summary}\n")
            settings = entry.load_config() if entry.config else entry.load().Config
            if msgspec.structs.fields(settings):
                parts.append(
                    " ".join((inspect.getdoc(settings) or "").partition("\n\n")[0].split()) + "\n"
                )
                parts.append(table(settings))
    return "\n".join([*parts, f"## Environment\n\n{markdown_table(['variable', ''], VARIABLES)}\n"])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
