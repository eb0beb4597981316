"""A component on the bench: its settings, new instances of it, and calls of them."""

from __future__ import annotations

import contextlib
import typing
from typing import Any, NoReturn

import msgspec
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from drawzoo.engine.components import Component, Sizes
from drawzoo.schema.base import Config, convert, to_dict
from drawzoo.testing.fault import Fault, blame, reason
from drawzoo.testing.kind import Inputs, Kind
from drawzoo.testing.seeding import seeded
from drawzoo.testing.surroundings import settings_kept

__all__ = ["Bench", "check_settings"]


def check_settings(who: str, config: Any) -> None:
    """A component's settings are a `Config` that JSON can store.

    Raises:
        Fault: If they are not, with the field.
    """
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        try:
            msgspec.json.encode(value)
        except Exception as error:
            raise Fault(
                who,
                f"has a configuration that is no JSON: the field {field.name!r}",
                f"{field.name} = {value!r} ({reason(error)})",
                'use numbers, strings, lists and other Configs ("float32" for torch.float32)',
            ) from error
    with blame(
        who,
        "has a configuration that does not come back from JSON",
        f"{config!r} as JSON: {msgspec.json.encode(config).decode()}",
        "annotate each field with the type that JSON gives back",
    ):
        if (back := convert(to_dict(config), type(config))) != config:
            raise ValueError(f"{back!r} comes back")


class Bench:
    """A component to be checked.

    Arguments:
        kind: What kind it is.
        component: Its class.
        settings: Its settings.
        who: What to call it.
    """

    def __init__(
        self, kind: Kind, component: type[Component], settings: dict[str, Any], who: str = ""
    ) -> None:
        self.kind, self.component = kind, component
        self.who = who or f"{kind.name} {getattr(component, '__name__', component)}"
        if not (isinstance(component, type) and issubclass(component, kind.base)):
            raise Fault(
                f"{kind.name} {component!r}",
                f"is no drawzoo.{kind.base.__name__} class",
                f"a {type(component).__name__}",
                f"give the class itself, which inherits from drawzoo.{kind.base.__name__}",
            )
        self.config = self._settings(settings)

    def fit(self, sizes: Sizes) -> None:
        """Builds for these sizes from now on; or for what the engine tells of them."""
        self.given = {}
        with self.blame(
            f"cannot tell its shape_of for images of shape {list(sizes.image)}",
            "compute it from the settings and sizes.image alone",
            f"{self.component.__name__}.shape_of({self.config!r}, sizes)",
        ):
            self.sizes = self.kind.known(sizes, self.component, self.config)
        component = self.built()
        generator = torch.Generator().manual_seed(0)
        self.given = self.kind.inputs(self.sizes, generator, component)
        self.others = self.kind.inputs(self.sizes, generator, component)

    def fail(self, what: str, seen: str, do: str) -> NoReturn:
        """Raises the `Fault`."""
        raise Fault(self.who, what, seen, do)

    def blame(self, what: str, do: str, seen: str = "") -> contextlib.AbstractContextManager[None]:
        """Makes a `Fault` of exceptions in the body."""
        return blame(self.who, what, seen or self.example(), do)

    def example(self) -> str:
        """The shapes of a call, in words."""
        shapes = ", ".join(f"{name} {list(t.shape)}" for name, t in self.given.items())
        return f"images {list(self.sizes.image)}, {shapes}"

    def built(self, seed: int = 0, *, perturbed: bool = True) -> Component:
        """A new instance, in evaluation mode; with weights as after some training, or as made."""
        with (
            self.blame(
                f"cannot be built for images of shape {list(self.sizes.image)}",
                "take channels, height and width from sizes.image, and of its neighbours' features "
                f"those that are known: {', '.join(self.kind.neighbours) or 'none'}",
                f"{self.component.__name__}({self.config!r}, {self.sizes!r})",
            ),
            settings_kept(self.who),
            seeded(seed),
        ):
            built = self.component(self.config, self.sizes).eval()
            if lazy := [name for name, p in built.named_parameters() if is_lazy(p)]:
                self.fail(
                    f"makes its weights lazily: {lazy[0]} has no shape before the first call",
                    "nn.Lazy…, or an UninitializedParameter",
                    "take the shape from the settings and sizes, in __init__",
                )
            if perturbed:
                with torch.no_grad():
                    for parameter in built.parameters():
                        parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return built

    def call(self, component: Component, inputs: Inputs, seed: int = 0) -> Tensor:
        """The output, detached; the randomness that it might use is seeded."""
        with torch.no_grad(), settings_kept(self.who), seeded(seed):
            return self.kind.run(component, {name: t.clone() for name, t in inputs.items()})

    def depends(self, component: Component, name: str) -> bool:
        """Whether other values of an input give another output."""
        changed = {**self.given, name: self.others[name]}
        return not torch.equal(self.call(component, changed), self.call(component, self.given))

    def _settings(self, settings: dict[str, object]) -> Any:
        kind = self.component.Config
        if not (isinstance(kind, type) and issubclass(kind, Config)):
            self.fail(
                "has a Config that is no drawzoo.Config",
                f"Config is {kind!r}",
                "write: class Config(drawzoo.Config, frozen=True)",
            )
        with blame(
            self.who,
            "has settings that cannot be used",
            f"{settings!r} for {_fields(kind)}",
            "annotate each field of Config with a type that msgspec can check, and give a default",
        ):
            config = convert(settings, kind, self.who)
        check_settings(self.who, config)
        return config


def _fields(kind: type[Config]) -> str:
    try:
        return ", ".join(f"{k}: {t}" for k, t in typing.get_type_hints(kind).items()) or "no fields"
    except Exception:
        return kind.__name__
