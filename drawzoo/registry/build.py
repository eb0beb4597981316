"""Models by name: listing, building and loading them."""

from __future__ import annotations

import fnmatch
import math
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from drawzoo.errors import ConfigError, DrawzooError, PluginError, UnknownNameError
from drawzoo.registry.loader import registry
from drawzoo.registry.registry import LOCAL
from drawzoo.schema.base import Config, convert, to_dict
from drawzoo.schema.model import COMPONENTS, ComponentConfig, ModelConfig

if TYPE_CHECKING:
    from drawzoo.engine.components import Component, Sizes
    from drawzoo.engine.draw import Draw
    from drawzoo.registry.registry import Entry

__all__ = [
    "build",
    "check_config",
    "component_entry",
    "component_settings",
    "list_models",
    "model_config",
]


MAX_PARAMETERS = 2 * 10**9
"""A model with more parameters is taken for a mistake."""


def list_models(pattern: str = "*") -> list[str]:
    """The names of registered models that match a glob; needs no torch.

    Example:
        >>> list_models("draw-t?-*")
        ['draw-t1-mnist', 'draw-t2-mnist', 'draw-t5-mnist']
    """
    names = sorted({entry.name for entry in registry().entries("model")})
    return fnmatch.filter(names, pattern)


def model_config(name: str) -> ModelConfig:
    """The configuration registered under `name`; needs no torch.

    Raises:
        UnknownNameError: If there is no such model.
    """
    entry = registry().find("model", name)
    config = entry.load()
    if not isinstance(config, ModelConfig):
        raise PluginError(
            f"model {name!r} is registered as {type(config).__name__}, no ModelConfig"
        )
    if config.name != entry.name:
        raise PluginError(
            f"model {entry.qualified} calls itself {config.name}; register it under the name of "
            "its variant and dataset"
        )
    return _own_components(config, entry.distribution)


def _own_components(config: ModelConfig, distribution: str) -> ModelConfig:
    """The configuration with its own distribution in each component that the distribution gives."""
    own = {}
    for kind in COMPONENTS:
        part = getattr(config, kind)
        given = {(e.distribution, e.name) for e in registry().entries(kind)}
        if part.plugin is None and (distribution, part.name) in given:
            own[kind] = msgspec.structs.replace(part, plugin=distribution)
    return msgspec.structs.replace(config, **own)


def build(config: ModelConfig) -> Draw:
    """A model with new, random weights.

    The model's `config` is complete: every component's distribution and all settings are filled in,
    so that the configuration means the same when defaults change.

    Raises:
        UnknownNameError: If a component is not registered.
        PluginError: If a component's plugin is not installed.
        ConfigError: If a component refuses its settings, or the model is absurdly large.
    """
    import torch

    kinds = {kind: _kind(kind, getattr(config, kind)) for kind in COMPONENTS}
    # First without memory: each size is bounded, but a product of sizes is not.
    try:
        with torch.device("meta"):
            sizes, parameters = _fitted(kinds, config)
    except RuntimeError as error:
        raise ConfigError(f"{config.name} cannot be built: {str(error).splitlines()[0]}") from error
    if parameters > MAX_PARAMETERS:
        raise ConfigError(
            f"{config.name} would have {parameters:,} parameters; choose smaller sizes"
        )
    from drawzoo.engine.draw import Draw

    # The order of building decides which weights a seed gives.
    order = ("reader", "writer", "encoder", "latent", "decoder", "likelihood")
    model = Draw(**{kind: kinds[kind].build(sizes[kind]) for kind in order}, steps=config.steps)
    filled = {kind: to_dict(kinds[kind].filled) for kind in COMPONENTS}
    model.config = convert(to_dict(config) | filled, ModelConfig)
    return model


def _fitted(kinds: dict[str, _Kind], config: ModelConfig) -> tuple[dict[str, Sizes], int]:
    """The shapes that each component is built for, and the number of parameters."""
    from drawzoo.engine.components import Sizes

    likelihood = kinds["likelihood"].build(first := Sizes(image=config.image))
    sizes = Sizes(image=config.image, canvas=likelihood.canvas_shape)
    sizes = msgspec.structs.replace(sizes, latent_shape=kinds["latent"].code_shape(sizes))
    given, built = {"likelihood": first}, [likelihood]
    for kind, gives in (
        ("decoder", "decoder_shape"),
        ("reader", "glimpse_shape"),
        ("writer", None),
        ("encoder", "encoder_shape"),
        ("latent", None),
    ):
        given[kind] = sizes
        built.append(kinds[kind].build(sizes))
        if gives:
            sizes = msgspec.structs.replace(sizes, **{gives: kinds[kind].out_shape(built[-1])})
    canvas = math.prod(likelihood.canvas_shape)
    return given, canvas + sum(p.numel() for part in built for p in part.parameters())


def component_entry(kind: str, part: ComponentConfig) -> Entry:
    """The entry of a component in the registry; needs no torch.

    Raises:
        UnknownNameError: If the component is not registered.
        PluginError: If the component's plugin is not installed.
    """
    name = f"{part.plugin}:{part.name}" if part.plugin else part.name
    try:
        return registry().find(kind, name)
    except UnknownNameError as error:
        if part.plugin is None:
            raise
        if part.plugin == LOCAL:
            raise PluginError(
                f"the model's configuration asks for the {kind} {part.name!r}, which was "
                "registered without a package; register it again: drawzoo.register in Python, or "
                "drawzoo --plugin FILE.py"
            ) from error
        if _is_installed(part.plugin):
            raise UnknownNameError(
                f"{error}; a plugin that is disabled or failed gives nothing (see: drawzoo plugins)"
            ) from error
        raise PluginError(
            f"the model's configuration asks for the {kind} {part.name!r} of the plugin "
            f"{part.plugin!r}, which is not installed; install it only if you trust it and whoever "
            "made the model"
        ) from error


def component_settings(kind: str, part: ComponentConfig, where: str = "") -> Config | None:
    """A component's settings, checked; None if the class of the settings needs torch.

    Arguments:
        kind: The component's kind.
        part: The component's name and settings.
        where: What to call the source in an error, if not the component alone.

    Raises:
        UnknownNameError: If the component is not registered.
        PluginError: If the component's plugin is not installed.
        ConfigError: If the settings are not valid.
    """
    known = component_entry(kind, part).load_config()
    return convert(part.config, known, f"{where}{kind} {part.name}") if known else None


def check_config(config: ModelConfig) -> None:
    """Refuses a configuration with a fault that can be seen without torch.

    Raises:
        UnknownNameError: If a component is not registered.
        PluginError: If a component's plugin is not installed.
        ConfigError: If a component's settings are not valid.
    """
    for kind in COMPONENTS:
        component_settings(kind, getattr(config, kind))


class _Kind(NamedTuple):
    """A component that can be built: the class and the settings."""

    where: str
    """What to call it in an error."""
    component: type[Any]
    config: Config
    filled: ComponentConfig
    """The component's own configuration, with the plugin and all settings."""

    def build(self, sizes: Sizes) -> Any:
        return self._call(self.component, sizes)

    def code_shape(self, sizes: Sizes) -> Any:
        """The shape of a latent's codes."""
        return self._call(self.component.shape_of, sizes)

    def _call(self, function: Any, sizes: Sizes) -> Any:
        try:
            return function(self.config, sizes)
        except ConfigError as error:
            raise ConfigError(f"{self.where}: {error}") from error
        except (DrawzooError, RuntimeError):
            raise
        except Exception as error:
            raise PluginError(
                f"{self.where} cannot be built: {type(error).__name__}: {error}"
            ) from error

    def out_shape(self, built: Any) -> tuple[int, ...]:
        from drawzoo.engine.components import out_shape

        shape = out_shape(built)
        if shape is None:
            raise PluginError(f"{self.where} does not say its number of out_features")
        return shape


def _kind(kind: str, part: ComponentConfig) -> _Kind:
    from drawzoo.engine.components import Decoder, Encoder, Reader, Writer
    from drawzoo.engine.latent import Latent
    from drawzoo.engine.likelihood import Likelihood

    bases: dict[str, type[Component]] = {
        "reader": Reader,
        "encoder": Encoder,
        "latent": Latent,
        "decoder": Decoder,
        "writer": Writer,
        "likelihood": Likelihood,
    }
    entry, base = component_entry(kind, part), bases[kind]
    component = entry.load()
    if not (isinstance(component, type) and issubclass(component, base)):
        raise PluginError(
            f"{kind} {part.name!r} of {entry.distribution} is no drawzoo.{base.__name__} class"
        )
    if entry.load_config() not in (None, component.Config):
        raise PluginError(
            f"{kind} {entry.qualified} is registered with the settings {entry.config}, "
            f"and {component.__name__}.Config is another class"
        )
    where = f"{kind} {entry.qualified}"
    try:
        config = convert(part.config, component.Config, f"{kind} {part.name}")
    except ConfigError:
        raise
    except Exception as error:
        raise PluginError(f"{where} cannot be built: {type(error).__name__}: {error}") from error
    return _Kind(where, component, config, _filled(part, entry, config))


def _filled(part: ComponentConfig, entry: Entry, config: Config) -> ComponentConfig:
    """A component's complete configuration."""
    try:
        settings = to_dict(config)
    except ConfigError as error:
        raise PluginError(f"{entry.kind} {entry.qualified}: {error}") from error
    return ComponentConfig(name=part.name, plugin=entry.distribution, config=settings)


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
