"""A model's folder, checked without torch: a stranger's bad files are refused before they cost the
seconds and the memory that torch takes.
"""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from drawzoo.disk.atomic import open_regular
from drawzoo.errors import ConfigError, DrawzooError, WeightsError
from drawzoo.schema import format1
from drawzoo.schema.base import MAX_JSON_BYTES, Config, convert, parse_json, read
from drawzoo.schema.manifest import CONFIG, HALF, WEIGHTS
from drawzoo.schema.model import COMPONENTS, ComponentConfig, ModelConfig

__all__ = [
    "CHEAP_BYTES",
    "MAX_WEIGHTS_BYTES",
    "Header",
    "Shape",
    "Shapes",
    "TensorEntry",
    "check_finite",
    "check_size",
    "check_stranger",
    "check_tensors",
    "read_config",
    "read_header",
]

MAX_WEIGHTS_BYTES = 1 << 30
"""Longer weights are refused."""

CHEAP_BYTES = 64 << 20
"""Up to this length a stranger's weights are fetched and checked without torch; longer weights must
first have the length that torch, whose import takes seconds, finds for the configuration."""

MAX_DEPTH = 8
"""The longest settings, as JSON, of a stranger's component."""

CANVAS = "initial_canvas"
"""The one tensor that is not a component's."""

_Natural = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]
_ITEM_BYTES = {"F32": 4, "F16": 2, "I64": 8}
_NUMPY = {"F32": "<f4", "F16": "<f2"}
_CHUNK = 1 << 20


class TensorEntry(Config, frozen=True):
    """A tensor's entry in the header of a safetensors file.

    Attributes:
        dtype: F32, or in a file of half precision F16; whole numbers, I64, are counters.
        shape: The tensor's shape.
        data_offsets: The tensor's first byte after the header, and the byte after its last.
    """

    dtype: Annotated[str, msgspec.Meta(max_length=8)]
    shape: Annotated[list[_Natural], msgspec.Meta(max_length=8)]
    data_offsets: tuple[_Natural, _Natural]


class Header(NamedTuple):
    """The header of a safetensors file."""

    tensors: dict[str, TensorEntry]
    floats: str
    """The type of the file's floats; half precision must be declared in the metadata."""

    @property
    def shapes(self) -> Shapes:
        """The shape of each tensor, and whether the tensor holds floats."""
        return {n: Shape(tuple(e.shape), e.dtype == self.floats) for n, e in self.tensors.items()}


class Shape(NamedTuple):
    """The shape of a tensor by a model's configuration, and whether the tensor holds floats."""

    sides: tuple[int, ...]
    is_float: bool
    """Whether the tensor holds floats; whole numbers are counters, as in batch normalisation."""


Shapes = dict[str, Shape]


def read_config(folder: Path) -> ModelConfig:
    """The configuration in a model's folder.

    Raises:
        WeightsError: If there is no configuration.
        ConfigError: If the configuration is not valid.
    """
    path = folder / CONFIG
    try:
        return read(path, ModelConfig)
    except OSError as error:
        raise WeightsError(
            f"no model in {folder}: cannot read {CONFIG} ({error.strerror})"
        ) from None


def read_header(path: Path) -> Header:
    """The header of a safetensors file, with the names of format 2.

    The header must agree with the file's length. The check is stricter than safetensors: no name
    twice, no gaps, one type of floats beside I64, a bounded length.

    Raises:
        WeightsError: If the header is anything else.
    """
    try:
        with open_regular(path) as file:
            size = int.from_bytes(file.read(8), "little")
            if size > MAX_JSON_BYTES:
                raise ValueError(f"a header of {size:,} bytes is too long")
            data = parse_json(file.read(size), "header")
        if not isinstance(data, dict):
            raise ValueError("the header is no object")
        floats = "F16" if data.pop("__metadata__", None) == HALF else "F32"
        if not data:
            raise ValueError("it holds no tensor")
        entries = {name: convert(entry, TensorEntry, repr(name)) for name, entry in data.items()}
        _check_layout(path, entries, floats, 8 + size)
        names = format1.tensor_names(entries)
        entries = {names[name]: entry for name, entry in entries.items()}
    except FileNotFoundError:
        raise WeightsError(f"no weights in {path.parent}: {path.name} is missing") from None
    except (ConfigError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(
            f"{path} is damaged or no safetensors file ({reason}); get it again"
        ) from None
    return Header(entries, floats)


def check_finite(path: Path, header: Header) -> None:
    """Refuses weights with a value that is not finite; reads piece by piece.

    Arguments:
        path: The file.
        header: The file's header, from `read_header`.

    Raises:
        WeightsError: If a value is not finite; the message names the tensor.
    """
    import numpy as np

    with open_regular(path) as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        for name, entry in header.tensors.items():
            if entry.dtype != header.floats:
                continue
            first, after = entry.data_offsets
            file.seek(start + first)
            for at in range(first, after, _CHUNK):
                values = np.frombuffer(file.read(min(_CHUNK, after - at)), _NUMPY[header.floats])
                if not np.isfinite(values).all():
                    raise WeightsError(
                        f"{path}: {name} holds values that are not finite; get it again"
                    )


def check_stranger(folder: Path) -> None:
    """Refuses a folder in which something is wrong that can be seen without torch.

    Missing files are not an error here. Component tensors are checked on load, because only the
    component knows their shapes; if a model of the same make ships, its shapes are known here.

    Raises:
        ConfigError: If the configuration is not valid.
        UnknownNameError: If a component is not registered.
        PluginError: If a component's plugin is not installed.
        WeightsError: If there is no configuration, or the weights are damaged or too short.
    """
    from drawzoo.store.published import manifest, shipped

    config = read_config(folder)
    settings = tuple(_settings(folder / CONFIG, kind, part) for kind, part in _parts(config))
    path = folder / WEIGHTS
    if path.exists():
        header, size = read_header(path), path.stat().st_size
        _check_engine(path, header, config)
        check_size(path, size, config)
        for other in filter(None, map(shipped, manifest())):
            if (shapes := _shapes_if_alike(config, settings, other)) is not None:
                check_tensors(path, header, shapes)
        if size <= CHEAP_BYTES:
            check_finite(path, header)


def check_size(where: Any, size: int, config: ModelConfig) -> None:
    """Refuses weights that are too short for what every model of that configuration has.

    Arguments:
        where: What to call the weights in the error.
        size: Their bytes.
        config: The configuration.

    Raises:
        WeightsError: If the weights are too short.
    """
    # One channel of the canvas, in half precision, is the least.
    least = 2 * math.prod(config.image[1:])
    if size < least:
        raise WeightsError(
            f"{where} does not fit {CONFIG}: {size:,} bytes, and the canvas alone has {least:,}"
        )


def _check_engine(path: Path, header: Header, config: ModelConfig) -> None:
    """Refuses weights without a canvas of the image's size, or with a tensor that is nobody's."""
    for name in header.tensors:
        if name != CANVAS and name.partition(".")[0] not in COMPONENTS:
            raise WeightsError(f"{path} does not fit {CONFIG}: {name[:100]} is not expected")
    if CANVAS not in header.tensors:
        raise WeightsError(f"{path} does not fit {CONFIG}: it lacks {CANVAS}")
    shape, (height, width) = header.tensors[CANVAS].shape, config.image[1:]
    # The likelihood decides how many channels a canvas has.
    if len(shape) != 3 or shape[1:] != [height, width]:
        raise WeightsError(
            f"{path} does not fit {CONFIG}: {CANVAS} is {header.floats} {shape}, "
            f"expected {header.floats} [any, {height}, {width}]"
        )


def check_tensors(path: Path, header: Header, expected: Shapes) -> None:
    """Refuses weights whose tensors are not those expected.

    Raises:
        WeightsError: If a tensor is missing, too many, or of another shape or type.
    """
    found = header.tensors
    if missing := sorted(expected.keys() - found):
        raise WeightsError(f"{path} does not fit {CONFIG}: it lacks {', '.join(missing[:3])}")
    if extra := sorted(found.keys() - expected):
        names = ", ".join(extra[:3])[:200]
        raise WeightsError(f"{path} does not fit {CONFIG}: {names} is not expected")
    for name, (sides, is_float) in expected.items():
        entry, wanted = found[name], header.floats if is_float else "I64"
        if entry.shape != list(sides) or entry.dtype != wanted:
            raise WeightsError(
                f"{path} does not fit {CONFIG}: {name} is {entry.dtype} {entry.shape}, "
                f"expected {wanted} {list(sides)}"
            )


def _parts(config: ModelConfig) -> list[tuple[str, ComponentConfig]]:
    return [(kind, getattr(config, kind)) for kind in COMPONENTS]


def _settings(where: Path, kind: str, part: ComponentConfig) -> Config | None:
    """A component's settings, or None if their class is unknown without torch."""
    from drawzoo.registry.build import component_settings

    if _is_deep(part.config, MAX_DEPTH):
        raise ConfigError(f"{where}: the settings of {kind} {part.name} are nested too deep")
    return component_settings(kind, part, f"{where}: ")


def _shapes_if_alike(
    config: ModelConfig, settings: tuple[Config | None, ...], folder: Path
) -> Shapes | None:
    """The shapes of the model in `folder`, if its configuration is alike; else None."""
    from drawzoo.registry.build import component_entry

    if None in settings:
        return None
    # A fault of the other model, or of a plugin that only the other needs, is none of this model.
    with contextlib.suppress(DrawzooError):
        other = read_config(folder)
        pairs = zip(_parts(config), _parts(other), settings, strict=True)
        if config.image == other.image and all(
            component_entry(kind, one) == component_entry(kind, two)
            and _settings(folder / CONFIG, kind, two) == known
            for (kind, one), (_, two), known in pairs
        ):
            return read_header(folder / WEIGHTS).shapes
    return None


def _is_deep(data: Any, levels: int) -> bool:
    if not isinstance(data, dict | list):
        return False
    inner = data.values() if isinstance(data, dict) else data
    return levels == 0 or any(_is_deep(item, levels - 1) for item in inner)


def _check_layout(path: Path, entries: dict[str, TensorEntry], floats: str, start: int) -> None:
    length = path.stat().st_size
    if length > MAX_WEIGHTS_BYTES:
        raise ValueError(f"{length:,} bytes are more than the {MAX_WEIGHTS_BYTES:,} that are read")
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        if entry.dtype not in (floats, "I64"):
            raise WeightsError(
                f"{path} does not fit {CONFIG}: {name[:100]} is {entry.dtype} {entry.shape}, "
                f"expected {floats} or, of whole numbers, I64"
            )
        first, after = entry.data_offsets
        if first != end or after - first != math.prod(entry.shape) * _ITEM_BYTES[entry.dtype]:
            raise ValueError(f"the bytes of {name!r} are not where its shape and the others say")
        end = after
    if length != start + end:
        raise ValueError(f"{length:,} bytes, and by its header {start + end:,}")
