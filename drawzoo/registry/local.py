"""Registering without a package: from a notebook, a script or a file. Free of torch."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from drawzoo.errors import ConfigError, PluginError, nearest, short
from drawzoo.registry.loader import installed
from drawzoo.registry.registry import KINDS, LOCAL, Entry, Registrar

__all__ = ["register", "run_file"]


def register(
    kind: str, name: str, target: Any, *, summary: str = "", config: str | None = None
) -> None:
    """Registers a component, a model or another thing for this process, in a notebook or a script.

    The same name again replaces what was registered by it before, so that a cell can be run
    twice. Others load the weights of such a model after they have registered the same.

    Arguments:
        kind: "encoder", "reader", "writer", "latent", "decoder", "likelihood", "model", "dataset",
            "protocol" or "optimizer".
        name: Lower-case letters, digits, `-` and `_`.
        target: The thing itself, as the hook of its kind takes it, or "package.module:attribute".
        summary: One line for lists.
        config: Of a component, "package.module:attribute" of its `Config`.

    Raises:
        ConfigError: If there is no such kind, or the name cannot be used.
        PluginError: If an installed plugin gives the name.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no kind {kind!r} to register{nearest(kind, KINDS)}")
    registrar = Registrar(kind, LOCAL, "register")
    try:
        registrar(name, target, summary=summary, config=config)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for entry in installed().registry.entries(kind):
        if entry.name == name and entry.distribution != LOCAL:
            raise PluginError(f"{kind} {name!r} is given by {entry.distribution}; choose another")
    installed().registry.replace(registrar.entries[0])


def run_file(path: Path) -> None:
    """Runs a Python file and calls the hooks in it, as if it were an installed plugin's module.

    Raises:
        PluginError: If it fails, or takes a name that is in use.
    """
    name = f"drawzoo_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    # Where the classes of settings look up the types of their fields.
    sys.modules[name] = module
    plugins, before = installed(), _local()
    try:
        # What it prints must not get into a command's own output.
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
            gives = plugins.add(module, LOCAL, str(path))
    except (Exception, SystemExit) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(short(f"{path} fails: {what}")) from error
    if not gives and _local() == before:
        raise PluginError(f"{path} registers nothing; mark its hooks @drawzoo.hookimpl")


def _local() -> list[Entry]:
    """All that is registered without a package."""
    entries = (entry for kind in KINDS for entry in installed().registry.entries(kind))
    return [entry for entry in entries if entry.distribution == LOCAL]
