"""Finding plugins, and loading each by itself, so that a failing plugin harms no other."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import os
import sys
import time
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import click
import pluggy

from drawzoo.errors import PluginError, nearest
from drawzoo.registry import COMMANDS, hookspecs
from drawzoo.registry.registry import KINDS, Registrar, Registry, canonical

__all__ = ["GROUP", "Plugin", "Plugins", "installed", "registry"]

GROUP = "drawzoo"
"""The entry-point group of all plugins, in this repository or elsewhere."""

MAX_REASON = 300
"""The most characters that are shown of a failing plugin's message."""

SLOW = 0.5
"""Seconds of loading after which a plugin is named as slow: every command waits for plugins."""

log = logging.getLogger("drawzoo")


class Plugin(NamedTuple):
    """The outcome of loading one entry point."""

    name: str
    distribution: str
    version: str
    gives: dict[str, list[str]]
    """Kind → names registered; `command` for sub-commands."""
    error: str | None
    """Why the plugin was skipped, if so."""


class Plugins:
    """All plugins of one process.

    Arguments:
        strict: Whether a plugin that fails is an error instead of a line in the log.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.registry = Registry()
        self.plugins: list[Plugin] = []
        self.commands: dict[str, click.Command] = {}
        self.refused: list[tuple[str, str, str]] = []
        """Plugin, distribution and reason of each registration that is left out."""
        self._strict = strict
        self._owners = dict.fromkeys(COMMANDS, "drawzoo")

    def load(self, point: EntryPoint) -> None:
        """Loads the plugin that an entry point names, and isolates every exception.

        Raises:
            PluginError: If the plugin fails and `strict` is set.
        """
        distribution = point.dist.name if point.dist else "unknown"
        version = point.dist.version if point.dist else "unknown"
        gives: dict[str, list[str]] = {}
        problem = None
        start = time.perf_counter()
        try:
            # A plugin's prints must not get into a command's own output.
            with contextlib.redirect_stdout(sys.stderr):
                gives = self.add(point.load(), distribution, point.name)
        except (Exception, SystemExit) as error:
            problem = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON]
            line = f"plugin {point.name} of {distribution} {version} is skipped: {problem}"
            if self._strict:
                raise PluginError(line) from error
            log.warning(line, exc_info=error if os.environ.get("DRAWZOO_DEBUG") else None)
        took = time.perf_counter() - start
        # Of drawzoo's own plugins only a busy machine is to blame.
        if took > SLOW and distribution != "drawzoo":
            log.warning(
                f"plugin {point.name} of {distribution} took {took:.1f} s to load, in every "
                'command; register its parts as "package.module:attribute"'
            )
        self.plugins.append(Plugin(point.name, distribution, version, gives, problem))

    def add(self, plugin: Any, distribution: str, name: str) -> dict[str, list[str]]:
        """Calls the hooks of one plugin. A registration that cannot be used is left out.

        Arguments:
            plugin: A module or object with hook implementations.
            distribution: The distribution that gives the plugin.
            name: What to call the plugin.

        Returns:
            Kind → names registered.

        Raises:
            Exception: Whatever the plugin raises; nothing is registered then.
        """
        # A manager for each plugin: pluggy stops a hook call at the first implementation that
        # raises, and would keep a plugin registered that failed half-way.
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        manager.register(plugin, name)
        manager.check_pending()
        for function, why in unmarked(plugin).items():
            log.warning(f"plugin {name} of {distribution}: {function} {why}")
        entries = []
        refused: list[str] = []
        for kind in KINDS:
            registrar = Registrar(kind, distribution, name, None if self._strict else refused)
            getattr(manager.hook, f"register_{kind}s")(register=registrar)
            entries += registrar.entries
        group = click.Group()
        manager.hook.register_commands(cli=group)
        for command in group.commands:
            if owner := self._owners.get(command):
                raise PluginError(f"command {command!r} is given by {owner} and {distribution}")
        for why in refused:
            log.warning(f"plugin {name} of {distribution}: left out: {why}")
            self.refused.append((name, distribution, why))
        self.registry.add(entries)
        self.commands.update(group.commands)
        self._owners.update(dict.fromkeys(group.commands, distribution))
        gives = {kind: [e.name for e in entries if e.kind == kind] for kind in KINDS}
        gives["command"] = sorted(group.commands)
        return {kind: names for kind, names in gives.items() if names}


def unmarked(plugin: Any) -> dict[str, str]:
    """Function → why it is never called, for functions that look like hooks and are none."""
    hooks = [name for name, hook in vars(hookspecs).items() if hasattr(hook, f"{GROUP}_spec")]
    found = {}
    for name, function in inspect.getmembers(plugin, callable):
        if not name.startswith("register_") or hasattr(function, f"{GROUP}_impl"):
            continue
        if name in hooks:
            found[name] = "is not marked, so it is never called; put @drawzoo.hookimpl above it"
        elif near := nearest(name, hooks):
            found[name] = f"is no hook{near}"
    return found


_loading: list[bool] = []
"""Not empty while plugins are being loaded."""


@functools.cache
def installed() -> Plugins:
    """The installed plugins that the environment allows.

    `DRAWZOO_LOAD_PLUGINS` lists the plugins to load (empty: none), `DRAWZOO_DISABLE_PLUGINS` the
    plugins to leave out, by distribution or entry point, separated by commas;
    `DRAWZOO_STRICT_PLUGINS=1` makes a failing plugin or a clash an error.

    Raises:
        PluginError: If a plugin asks for others while it is loaded, or fails in strict mode.
    """
    if _loading:
        raise PluginError(
            "asks for what others register, while plugins are being loaded; register "
            '"package.module:attribute", which is imported when it is needed'
        )
    _loading.append(True)
    try:
        return _load_all()
    finally:
        _loading.clear()


def _load_all() -> Plugins:
    strict = os.environ.get("DRAWZOO_STRICT_PLUGINS", "") not in ("", "0")
    plugins = Plugins(strict=strict)
    points = sorted(
        entry_points(group=GROUP), key=lambda p: (p.dist.name if p.dist else "", p.name)
    )
    # The core's optimisers are there whichever plugins are left out.
    for point in _allowed(points):
        plugins.load(point)
    clashes = plugins.registry.clashes()
    if clashes and strict:
        raise PluginError(clashes[0])
    return plugins


def registry() -> Registry:
    """The registry of all installed plugins, loaded on first use."""
    return installed().registry


def _allowed(points: list[EntryPoint]) -> list[EntryPoint]:
    names = [
        {canonical(point.name), canonical(point.dist.name if point.dist else "")}
        for point in points
    ]
    keep = [True] * len(points)
    for variable, wanted in (("DRAWZOO_LOAD_PLUGINS", True), ("DRAWZOO_DISABLE_PLUGINS", False)):
        value = os.environ.get(variable)
        if value is None:
            continue
        listed = {canonical(item.strip()) for item in value.split(",") if item.strip()}
        known = set().union(*names)
        for item in sorted(listed - known):
            log.warning(f"{variable}: no plugin {item!r} is installed{nearest(item, known)}")
        keep = [k and bool(n & listed) is wanted for k, n in zip(keep, names, strict=True)]
    return [point for point, kept in zip(points, keep, strict=True) if kept]
