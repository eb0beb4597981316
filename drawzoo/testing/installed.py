"""Checks of installed plugins: does all that a plugin promises hold?"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import drawzoo
from drawzoo.data.dataset import Dataset
from drawzoo.errors import DrawzooError, UnknownNameError, nearest, short
from drawzoo.registry.loader import GROUP, Plugin, installed, unmarked
from drawzoo.registry.registry import Entry, canonical
from drawzoo.schema.base import Config
from drawzoo.schema.model import COMPONENTS

__all__ = ["Finding", "check_plugins", "named"]

SLOW_S = 2.0
"""An import that takes longer is a fault; a line says so earlier, as machines may be busy."""

LIMIT_S = 60
"""Seconds after which an import is given up."""

# In a process of its own, as this one has torch already. What comes after the NUL is ours.
_PROBE = """
import json, logging, sys, time
from importlib.metadata import entry_points
from drawzoo.registry.loader import Plugins
logging.getLogger("drawzoo").disabled = True
name, distribution = sys.argv[1:]
(point,) = (p for p in entry_points(group="drawzoo", name=name) if p.dist.name == distribution)
start = time.perf_counter()
plugins = Plugins()
plugins.load(point)
if plugins.plugins[0].error:
    sys.exit(plugins.plugins[0].error)
result = {"seconds": time.perf_counter() - start, "torch": "torch" in sys.modules}
sys.stderr.flush()
print("\\0" + json.dumps(result))
"""


class Finding(NamedTuple):
    """One check of a plugin, and what came of it."""

    plugin: str
    what: str
    """The thing that was checked: the import, a hook, or a registered name."""
    problem: str | None
    """What is wrong, if anything is, and what to do."""
    seconds: float
    """What the check took; of the import, what the import took."""


def check_plugins(name: str | None = None) -> Iterator[Finding]:
    """Imports each plugin by itself, resolves every name that it gives, and builds every model.

    Arguments:
        name: An entry point or a distribution; all plugins unless given.

    Raises:
        UnknownNameError: If no plugin has that name.
    """
    for plugin in installed().plugins if name is None else named(name):
        if plugin.error:
            yield Finding(plugin.name, "import", plugin.error, 0.0)
            continue
        yield _imported(plugin)
        yield from _hooks(plugin)
        for giver, distribution, why in installed().refused:
            if (giver, distribution) == (plugin.name, plugin.distribution):
                yield Finding(giver, "registration", why, 0.0)
        for kind in plugin.gives:
            if kind != "command":
                for entry in installed().registry.entries(kind):
                    if (entry.distribution, entry.plugin) == (plugin.distribution, plugin.name):
                        yield _resolved(entry)


def named(name: str) -> list[Plugin]:
    """The plugins of an entry point or a distribution.

    Raises:
        UnknownNameError: If no plugin has that name.
    """
    plugins, wanted = installed().plugins, canonical(name)
    known = {canonical(word): word for p in plugins for word in (p.name, p.distribution)}
    if wanted not in known:
        raise UnknownNameError(
            f"there is no plugin {name!r}{nearest(name, known.values())} (see: drawzoo plugins)"
        )
    return [p for p in plugins if wanted in map(canonical, (p.name, p.distribution))]


def _imported(plugin: Plugin) -> Finding:
    """Fast, quiet, and without torch."""
    # The child finds what this process finds.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _PROBE, plugin.name, plugin.distribution]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"takes more than {LIMIT_S} s; do the work when a component is built"
        return Finding(plugin.name, "import", problem, float(LIMIT_S))
    printed, _, raw = done.stdout.rpartition("\0")
    printed = " ".join((printed + done.stderr).split())
    if not raw.startswith("{"):
        what = f"ends its process with {done.returncode}: {done.stdout} {done.stderr}"
        return Finding(plugin.name, "import", short(" ".join(what.split())), 0.0)
    result = json.loads(raw)
    problems = []
    if result["torch"]:
        problems.append(
            "imports torch, and every command then waits for it: register components as "
            '"package.module:Class"'
        )
    if printed:
        problems.append(f"prints {short(printed)[:80]!r}: leave that out")
    if result["seconds"] > SLOW_S:
        problems.append("is slow, and every command waits: import when a component is built")
    return Finding(plugin.name, "import", "; ".join(problems) or None, result["seconds"])


def _hooks(plugin: Plugin) -> Iterator[Finding]:
    """Functions that look like hooks and are none."""
    for function, why in unmarked(_point(plugin).load()).items():
        yield Finding(plugin.name, function, why, 0.0)
    if not plugin.gives:
        problem = "gives nothing: mark its hooks @drawzoo.hookimpl, and register something"
        yield Finding(plugin.name, "hooks", problem, 0.0)


def _point(plugin: Plugin) -> EntryPoint:
    points = entry_points(group=GROUP, name=plugin.name)
    return next(p for p in points if p.dist and p.dist.name == plugin.distribution)


def _resolved(entry: Entry) -> Finding:
    """A registered name, imported; a model, built."""
    start = time.perf_counter()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            problem = _problem(entry)
    except DrawzooError as error:
        problem = str(error)
    except Exception as error:
        problem = short(f"{type(error).__name__}: {' '.join(str(error).split())}")
    seconds = time.perf_counter() - start
    return Finding(entry.plugin, f"{entry.kind} {entry.name}", problem, seconds)


def _problem(entry: Entry) -> str | None:
    clashing = [e for e in installed().registry.entries(entry.kind) if e.name == entry.name]
    if len(clashing) > 1:
        others = {e.distribution for e in clashing if e is not entry} or {entry.distribution}
        return f"is also given by {', '.join(sorted(others))}; choose another name"
    if entry.kind == "model":
        from drawzoo.registry.build import build, model_config

        build(model_config(entry.qualified))
        _check_published(entry)
        return None
    target = entry.load()
    if entry.kind in COMPONENTS:
        return _component_problem(entry, target)
    if entry.kind == "dataset":
        if not isinstance(target, Dataset):
            return "is no instance of a class derived from drawzoo.Dataset; register one"
        splits = getattr(target, "splits", None)
        if not splits or not all(isinstance(split, str) for split in splits):
            return f"has the splits {splits!r}; name them, as in ('train', 'test')"
    return None


def _check_published(entry: Entry) -> None:
    """The manifest that has a model's pins can be read, and the copy that ships is as pinned."""
    from drawzoo.schema.manifest import verify
    from drawzoo.store.published import pinned, shipped

    published, folder = pinned(entry), shipped(entry.qualified)
    if published and folder:
        verify(folder, published)


def _component_problem(entry: Entry, target: Any) -> str | None:
    base = entry.kind.capitalize()
    if not (inspect.isclass(target) and issubclass(target, getattr(drawzoo, base))):
        return f"is no class that inherits from drawzoo.{base}"
    settings = target.Config  # type: ignore[attr-defined]
    if not (inspect.isclass(settings) and issubclass(settings, Config)):
        return "has a Config that does not inherit from drawzoo.Config"
    if entry.load_config() not in (None, settings):
        return f"is registered with the settings {entry.config}, and its Config is another class"
    return None
