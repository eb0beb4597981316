"""The checks of all that an installed plugin registers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from drawzoo.registry.build import model_config
from drawzoo.registry.loader import installed
from drawzoo.registry.registry import Entry
from drawzoo.schema.model import COMPONENTS
from drawzoo.testing.datasets import dataset_faults
from drawzoo.testing.fault import blame
from drawzoo.testing.installed import named
from drawzoo.testing.kit import KINDS, check
from drawzoo.testing.whole import model_faults, plugin_faults

__all__ = ["checks"]


def checks(name: str) -> dict[str, Callable[[], None]]:
    """What → its check, which raises a `Fault`; for all that a plugin registers, and for itself.

    Arguments:
        name: An entry point or a distribution.

    Raises:
        UnknownNameError: If no plugin has that name.
    """
    found: dict[str, Callable[[], None]] = {"plugin": partial(plugin_faults, name)}
    for plugin in named(name):
        for kind in plugin.gives:
            for entry in [] if kind == "command" else installed().registry.entries(kind):
                if (entry.distribution, entry.plugin) == (plugin.distribution, plugin.name):
                    if kind in COMPONENTS:
                        found[f"{kind} {entry.name}"] = partial(_component, entry)
                    elif kind == "model":
                        found[f"model {entry.name}"] = partial(model_faults, entry.qualified)
                    elif kind == "dataset":
                        found[f"dataset {entry.name}"] = partial(_dataset, entry)
    return found


def _dataset(entry: Entry) -> None:
    dataset_faults(_loaded(entry), None)


def _component(entry: Entry) -> None:
    component = _loaded(entry)
    (kind,) = (kind for kind in KINDS if kind.name == entry.kind)
    check(kind, component, _settings(entry, component))


def _loaded(entry: Entry) -> Any:
    with blame(f"{entry.kind} {entry.name}", "cannot be imported", str(entry.target), "see above"):
        return entry.load()


def _settings(entry: Entry, component: Any) -> dict[str, Any]:
    """Settings to check a component with: its defaults, or else a model's of the distribution."""
    try:
        msgspec.convert({}, component.Config)
    except Exception:
        for model in installed().registry.entries("model"):
            if model.distribution == entry.distribution:
                part = getattr(model_config(model.qualified), entry.kind)
                if part.name == entry.name:
                    return dict(part.config)
    return {}
