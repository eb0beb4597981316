"""What is installed: drawzoo, Python, the packages that drawzoo needs, plugins."""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

import drawzoo
from drawzoo.doctor.finding import Check
from drawzoo.errors import DrawzooError, counted

__all__ = ["own", "packages", "plugins", "python"]


def own() -> Check:
    """The version of drawzoo and where it lies."""
    folder = str(Path(drawzoo.__file__).parent)
    facts = {"version": drawzoo.__version__, "folder": folder}
    return Check("drawzoo", "ok", f"{drawzoo.__version__}, in {folder}", facts=facts)


def python() -> Check:
    """The version of Python and the system."""
    facts = {
        "version": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "executable": sys.executable,
    }
    says = "{version}, {system}, {executable}".format(**facts)
    return Check("python", "ok", says, facts=facts)


def packages() -> Check:
    """The versions of all packages that drawzoo needs."""
    try:
        needed = [Requirement(text) for text in requires("drawzoo") or []]
    except PackageNotFoundError:
        return Check(
            "packages",
            "note",
            "drawzoo is used without having been installed, so what it needs is not known",
            "pip install -e . in its folder",
            {"versions": {}},
        )
    versions: dict[str, str | None] = {}
    wrong: list[str] = []
    for one in needed:
        if one.marker and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            versions[one.name] = found = version(one.name)
        except PackageNotFoundError:
            versions[one.name] = None
            wrong.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} is {found}, not {one.specifier}")
    facts = {"versions": versions}
    if wrong:
        return Check("packages", "fault", ", ".join(wrong), "pip install -U drawzoo", facts)
    return Check("packages", "ok", f"all {len(versions)} that drawzoo needs", facts=facts)


def plugins() -> Iterator[Check]:
    """How many plugins there are, and a line on each that is broken or makes trouble."""
    from drawzoo.registry.loader import installed

    with _overheard() as said:
        try:
            found = installed()
        except DrawzooError as error:
            hint = "disable it with DRAWZOO_DISABLE_PLUGINS, or unset DRAWZOO_STRICT_PLUGINS"
            yield Check("plugins", "fault", str(error), hint, {"loaded": [], "broken": []})
            return
    broken = [plugin for plugin in found.plugins if plugin.error]
    loaded = [plugin.name for plugin in found.plugins if not plugin.error]
    own = sum(plugin.distribution == "drawzoo" for plugin in found.plugins if not plugin.error)
    others = [plugin.name for plugin in found.plugins if plugin.distribution != "drawzoo"]
    facts = {"loaded": loaded, "broken": [plugin.name for plugin in broken]}
    says = f"{counted(own, 'plugin')} of drawzoo's own, {counted(len(others), 'other')}"
    if own:
        yield Check("plugins", "ok", says, facts=facts)
    else:
        hint = "see DRAWZOO_LOAD_PLUGINS and DRAWZOO_DISABLE_PLUGINS, or install drawzoo again"
        yield Check("plugins", "fault", f"{says}: there are no models", hint, facts)
    for plugin in broken:
        yield Check(
            "plugins",
            "fault",
            f"{plugin.name} of {plugin.distribution} {plugin.version} is skipped: {plugin.error}",
            f"update it, or pip uninstall {plugin.distribution}",
        )
    skipped = tuple(f"plugin {plugin.name} of" for plugin in broken)
    notes = [line for line in said if not line.startswith(skipped)]
    for line in [*notes, *found.registry.clashes()]:
        yield Check("plugins", "note", line, "drawzoo plugins --check")


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """The lines that drawzoo would say meanwhile."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log, ear = logging.getLogger("drawzoo"), Ear()
    log.addHandler(ear)
    log.propagate, before = False, log.propagate
    try:
        yield lines
    finally:
        log.removeHandler(ear)
        log.propagate = before
