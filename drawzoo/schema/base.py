"""The base of every JSON: typed, bounded, frozen structs. Free of torch.

Data from outside goes through `decode` or `convert`, which refuse unknown keys,
wrong types and values out of bounds, and say where.
"""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from drawzoo.disk.atomic import open_regular
from drawzoo.errors import ConfigError, nearest
from drawzoo.schema import format1

__all__ = [
    "NAME",
    "Config",
    "Size",
    "convert",
    "decode",
    "encode",
    "override",
    "parse_json",
    "read",
    "to_dict",
]

MAX_JSON_BYTES = 1 << 20
"""A configuration longer than this is refused unread."""


Size = Annotated[int, msgspec.Meta(ge=1, le=65_536)]
"""A number of pixels, units or features."""


NAME = r"^[a-z0-9][a-z0-9_-]*\Z"
"""The names of variants, datasets and components: lower-case letters, digits, - and _."""

DISTRIBUTION = r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z"
"""The names of distributions."""

_NAMES = {
    NAME: "lower-case letters, digits, - and _",
    DISTRIBUTION: "letters, digits, ., - and _",
}

Name = Annotated[str, msgspec.Meta(pattern=NAME, max_length=100)]
DistributionName = Annotated[str, msgspec.Meta(pattern=DISTRIBUTION, max_length=100)]

C = TypeVar("C", bound="Config")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every configuration, a plugin's included: annotate the fields, give the defaults.

    Example:
        >>> class MyConfig(Config, frozen=True):
        ...     units: Size = 256
        >>> convert({"units": 64}, MyConfig)
        MyConfig(units=64)
    """


def to_dict(config: Config) -> dict[str, Any]:
    """`config` as JSON would give it back: dictionaries, lists, strings and numbers.

    Raises:
        ConfigError: If JSON cannot hold a field's value; the message names the field.
    """
    for field in msgspec.structs.fields(config):
        try:
            msgspec.json.encode(getattr(config, field.name))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"the field {field.name!r} of {type(config).__qualname__} cannot be stored as "
                f"JSON: {error}; give it numbers, strings or lists"
            ) from error
    result: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(config))
    return result


def encode(config: Config) -> bytes:
    """`config` as indented JSON, the same bytes for the same configuration."""
    return msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"


def decode(raw: bytes, kind: type[C], where: str) -> C:
    """Reads JSON into a configuration; format 1 becomes format 2.

    Arguments:
        raw: The JSON text.
        kind: The configuration's class.
        where: What to call the source in an error.

    Raises:
        ConfigError: If `raw` is not JSON, or not a `kind`.
    """
    return convert(format1.config(parse_json(raw, where)), kind, where)


def read(path: Path, kind: type[C]) -> C:
    """Reads a JSON file into a configuration, as `decode` does; a long file is refused unread.

    Raises:
        OSError: If the file cannot be read.
        ConfigError: If it is not JSON, or not a `kind`.
    """
    with open_regular(path) as file:
        return decode(file.read(MAX_JSON_BYTES + 1), kind, str(path))


def parse_json(raw: bytes, where: str) -> Any:
    """Reads JSON of bounded length without duplicate keys.

    Raises:
        ConfigError: If `raw` is anything else.
    """
    if len(raw) > MAX_JSON_BYTES:
        raise ConfigError(f"{where}: {len(raw):,} bytes are too many for a configuration")
    try:
        data = msgspec.json.decode(raw)
        # msgspec keeps the last of two equal keys; another reader might keep the first.
        json.loads(raw, object_pairs_hook=_refuse_duplicates)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not JSON ({error})") from None
    return data


def convert(data: Any, kind: type[C], where: str = "configuration") -> C:
    """Checks plain data against a configuration's types and bounds.

    Raises:
        ConfigError: If the data does not fit: one line with place, reason and nearest key.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        reason = (
            " ".join(str(error).split()).replace("`", "").replace("$.", "").replace(" - at $", "")
        )
        for pattern, words in _NAMES.items():
            reason = reason.replace(f"matching regex {pattern!r}", f"of {words}")
        unknown = re.search(r"unknown field (\S+)", reason)
        hint = nearest(unknown[1], _keys(kind)) if unknown else _choices(reason, kind)
        raise ConfigError(f"{where}: {reason}{hint}") from None


def override(config: C, settings: dict[str, Any], where: str = "--set") -> C:
    """A copy of `config` with dotted keys replaced, checked anew.

    A component's own settings may be named without the `config` between:
    `encoder.units` is `encoder.config.units`. A component's name may be `distribution:name`.

    Example:
        >>> from drawzoo import ComponentConfig, ModelConfig
        >>> part = ComponentConfig(name="lstm")
        >>> m = ModelConfig(variant="x", reader=part, encoder=part, writer=part)
        >>> override(m, {"encoder.units": 64}).encoder.config
        {'units': 64}
    """
    data = to_dict(config)
    # A component's name comes first: it clears the settings of the component before.
    for key, value in sorted(settings.items(), key=lambda item: not item[0].endswith(".name")):
        node = data
        *parents, last = key.split(".")
        for part in parents:
            if part not in node:
                raise ConfigError(f"{where} {key}: there is no {part!r}{nearest(part, node)}")
            if not isinstance(node[part], dict):
                raise ConfigError(f"{where} {key}: {part!r} has no settings of its own")
            node = node[part]
        component = isinstance(node.get("config"), dict)
        if component and last == "name":
            # The new component does not have the settings of the one before.
            node.update(plugin=None, config={})
            if isinstance(value, str) and ":" in value:
                node["plugin"], _, value = value.rpartition(":")
        elif component and last not in node:
            node = node["config"]
        if isinstance(node.get(last), dict) and not isinstance(value, dict):
            one = ".".join(parents) if last == "config" else key
            say = f"{one}.name" if "config" in node[last] else f"{one}.SETTING"
            raise ConfigError(f"{where} {key}: {last!r} has settings of its own; say {say}=…")
        node[last] = value
    return convert(data, type(config), where)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} is there twice")


def _choices(reason: str, kind: type[Config]) -> str:
    """The choices of a field, if `reason` is that a value is none of the choices."""
    place = re.fullmatch(r"Invalid enum value .* - at (\S+)", reason)
    node: Any = kind
    for part in place[1].split(".") if place else ():
        node = typing.get_type_hints(node).get(part) if hasattr(node, "__annotations__") else None
    values = typing.get_args(node) if typing.get_origin(node) is Literal else ()
    return f"; choose {' or '.join(map(str, values))}" if values else ""


def _keys(kind: type[Config]) -> set[str]:
    """The field names of a configuration and of the configurations inside it."""
    keys = set()
    for field in msgspec.structs.fields(kind):
        keys.add(field.name)
        if isinstance(field.type, type) and issubclass(field.type, Config):
            keys |= _keys(field.type)
    return keys
