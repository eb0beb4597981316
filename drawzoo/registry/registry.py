"""Names → components, models, datasets and optimisers, with where each came from. Free of torch."""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from drawzoo.errors import PluginError, UnknownNameError, nearest
from drawzoo.schema.base import NAME, Config
from drawzoo.schema.model import COMPONENTS

__all__ = ["KINDS", "LOCAL", "OWN", "Entry", "Registrar", "Registry", "canonical"]

KINDS = (*COMPONENTS, "model", "dataset", "protocol", "optimizer")
"""The kinds of things that can be registered; the hook of a kind is `register_<kind>s`."""


OWN = "drawzoo"
"""The distribution whose names nobody else can take over."""

LOCAL = "local_"
"""Stands for a distribution where something is registered without one; no package can be called
so, and none can be installed by mistake."""


class Entry(NamedTuple):
    """One registered thing."""

    kind: str
    name: str
    target: Any
    """The thing itself, or "package.module:attribute" to import the thing from."""
    summary: str
    distribution: str
    plugin: str
    """The name of the entry point that gave the thing."""
    config: str | None = None
    """Where to import a component's `Config` from without torch, if the plugin says so."""
    weights: str | None = None
    """The package with the pins and copies of a model's published weights, if there are any."""

    @property
    def qualified(self) -> str:
        """`distribution:name`, which is unique."""
        return f"{self.distribution}:{self.name}"

    def load(self) -> Any:
        """The thing itself, imported if need be.

        Raises:
            PluginError: If the import fails.
        """
        return self._imported(self.target) if isinstance(self.target, str) else self.target

    def load_config(self) -> type[Config] | None:
        """The class of a component's settings, if it is known without torch.

        Raises:
            PluginError: If the import fails.
        """
        if self.config is None:
            return None
        found = self._imported(self.config)
        if not (isinstance(found, type) and issubclass(found, Config)):
            raise PluginError(
                f"{self.kind} {self.name!r} of the plugin {self.distribution} is registered with "
                f"the settings {self.config}, which are no drawzoo.Config"
            )
        return found

    def _imported(self, place: str) -> Any:
        module, _, attribute = place.partition(":")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                found = importlib.import_module(module)
            return functools.reduce(getattr, attribute.split("."), found)
        except Exception as error:
            raise PluginError(
                f"{self.kind} {self.name!r} of the plugin {self.distribution} cannot be imported "
                f"from {place}: {type(error).__name__}: {error}"
            ) from error


class Registrar:
    """Called by a plugin's hook to register things of one kind.

    Arguments:
        kind: What it registers.
        distribution: The distribution that gives the plugin.
        plugin: The plugin's name.
        refused: Takes why a registration cannot be used, which is then left out; an error if None.
    """

    def __init__(
        self, kind: str, distribution: str, plugin: str, refused: list[str] | None = None
    ) -> None:
        self._kind, self._distribution, self._plugin = kind, distribution, plugin
        self._refused = refused
        self.entries: list[Entry] = []

    def __call__(
        self,
        name: str,
        target: Any,
        *,
        summary: str = "",
        config: str | None = None,
        weights: str | None = None,
    ) -> None:
        """Registers `target` under `name`.

        Arguments:
            name: Lower-case letters, digits, `-` and `_`.
            target: The thing itself, or, so that listing it imports nothing,
                "package.module:attribute".
            summary: One line for lists.
            config: For a component, "package.module:attribute" of its `Config`, in a module that
                does not import torch: a stranger's wrong settings are then refused at once.
            weights: For a model with published weights, the package that has the distribution's
                `manifest.json`, and in `model_cards/` the models that ship.

        Raises:
            ValueError: If the name, the target, the config or the package cannot be used.
        """
        try:
            self._check(name, target, config, weights)
        except ValueError as error:
            if self._refused is None:
                raise
            self._refused.append(str(error))
            return
        self.entries.append(
            Entry(
                self._kind, name, target, summary, self._distribution, self._plugin, config, weights
            )
        )

    def _check(self, name: Any, target: Any, config: Any, weights: Any) -> None:
        if not (isinstance(name, str) and re.fullmatch(NAME, name)):
            raise ValueError(f"{self._kind} name {name!r}: use lower case, digits, - and _")
        for place in (target, config):
            if isinstance(place, str) and place.count(":") != 1:
                raise ValueError(
                    f"{self._kind} {name!r}: {place!r} is not 'package.module:attribute'"
                )
        if weights is not None and not all(map(str.isidentifier, weights.split("."))):
            raise ValueError(f"{self._kind} {name!r}: {weights!r} is no package's name")
        if name in (entry.name for entry in self.entries):
            raise ValueError(f"{self._kind} {name!r} is registered twice")


class Registry:
    """All entries, looked up by kind and name."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, list[Entry]]] = {kind: {} for kind in KINDS}

    def add(self, entries: list[Entry]) -> None:
        """Adds the entries of one plugin."""
        for entry in entries:
            self._entries[entry.kind].setdefault(entry.name, []).append(entry)

    def replace(self, entry: Entry) -> None:
        """Adds an entry in the place of the same distribution's of that name."""
        same = self._entries[entry.kind].setdefault(entry.name, [])
        same[:] = [one for one in same if one.distribution != entry.distribution] + [entry]

    def entries(self, kind: str) -> Iterator[Entry]:
        """The entries of a kind, by name."""
        for _, same in sorted(self._entries[kind].items()):
            yield from sorted(same, key=lambda entry: entry.qualified)

    def in_order(self, kind: str) -> list[Entry]:
        """The entries of a kind in the order of registration."""
        return [entry for same in self._entries[kind].values() for entry in same]

    def clashes(self) -> list[str]:
        """One line for each name that two plugins claim."""
        return [
            _clash(same)
            for names in self._entries.values()
            for same in names.values()
            if len(same) > 1
        ]

    def find(self, kind: str, name: str) -> Entry:
        """The entry of that `name` or `distribution:name`.

        A bare name that drawzoo itself gives means drawzoo's own, whatever else is installed.

        Raises:
            UnknownNameError: If there is none.
            PluginError: If several other plugins give the name.
        """
        distribution, colon, short = name.rpartition(":")
        same = self._entries[kind].get(short, [])
        if colon:
            wanted = canonical(distribution)
            same = [entry for entry in same if canonical(entry.distribution) == wanted]
        if not same:
            known = {entry.name for entry in self.entries(kind)}
            hint = nearest(short, known)
            if not known:
                hint = "; no plugin that gives one is loaded (see: drawzoo plugins)"
            raise UnknownNameError(f"there is no {kind} {name!r}{hint}")
        if len(same) > 1:
            own = [entry for entry in same if entry.distribution == OWN]
            if len(own) != 1:
                raise PluginError(_clash(same))
            return own[0]
        return same[0]


def canonical(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it: `Drawzoo_Gru` is `drawzoo-gru`."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _clash(same: list[Entry]) -> str:
    plugins = " and ".join(f"{entry.distribution} ({entry.plugin})" for entry in same)
    names = sorted({entry.qualified for entry in same})
    if len(names) == len(same) and f"{OWN}:{same[0].name}" in names:
        others = " or ".join(name for name in names if not name.startswith(f"{OWN}:"))
        return (
            f"{same[0].kind} {same[0].name!r} is given by two plugins, {plugins}; the bare name "
            f"means drawzoo's own, so say {others} for the other"
        )
    choice = f"say {' or '.join(names)}, or " if len(names) == len(same) else ""
    return (
        f"{same[0].kind} {same[0].name!r} is given by two plugins, {plugins}; "
        f"{choice}disable one with DRAWZOO_DISABLE_PLUGINS"
    )
