"""Files of format 1, and runs from before validation, read as today's. Free of torch.

In format 1 the decoder, the latent code and the likelihood were no components: two numbers and a
name in `config.json` stood for the three, and the engine owned the tensors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["config", "tensor_names"]

_PREFIXES = {"posterior.": "latent.layer.", "decoder.": "decoder.lstm."}
_MARK = "posterior.weight"
"""A tensor in every model of format 1, and in no model of format 2."""


def config(data: Any) -> Any:
    """Today's form of the data of a model's configuration, of a run, or of a record.

    Data in today's form is unchanged.

    Example:
        >>> config({"variant": "x", "latent": 3, "format": 1})["latent"]
        {'name': 'gaussian', 'plugin': 'drawzoo', 'config': {'size': 3}}
    """
    if not isinstance(data, dict):
        return data
    if isinstance(data.get("training"), dict):
        # A run without a word on validation was trained on all images.
        data = data | {"training": {"validation": 0} | data["training"]}
    if "model" in data:
        return data | {"model": config(data["model"])}
    if data.get("format") != 1:
        return data
    return data | {
        "latent": _part("gaussian", size=data.get("latent", 32)),
        "decoder": _part("lstm", units=data.get("decoder", 256)),
        "likelihood": _part(data.get("likelihood", "bernoulli")),
        "format": 2,
    }


def _part(name: Any, **settings: Any) -> dict[str, Any]:
    return {"name": name, "plugin": "drawzoo", "config": settings}


def tensor_names(names: Iterable[str]) -> dict[str, str]:
    """The name in format 2 of each tensor in a file.

    Example:
        >>> tensor_names(["posterior.weight", "decoder.initial"])["decoder.initial"]
        'decoder.lstm.initial'
    """
    names = list(names)
    return {name: _renamed(name) if _MARK in names else name for name in names}


def _renamed(name: str) -> str:
    for old, new in _PREFIXES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
