"""What an evaluation protocol is, and how to find one. Free of torch.

A protocol is one object: how to measure a model, and how its figures read in a line, on a card and
in the Hub's metadata. Plugins register protocols by the hook `register_protocols`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from drawzoo.errors import ConfigError, PluginError, counted
from drawzoo.registry.loader import registry
from drawzoo.schema.figures import Figure

if TYPE_CHECKING:
    from torch import Tensor

    from drawzoo.data.images import Images
    from drawzoo.engine.draw import Draw
    from drawzoo.engine.world import World

__all__ = [
    "Bars",
    "Conditions",
    "Metric",
    "Progress",
    "Protocol",
    "find_protocol",
    "no_bars",
    "protocols",
    "read_figures",
]

Progress = Callable[[Sequence[int]], Iterable[int]]
"""Wraps the sequence of batches, as `drawzoo.cli.progress.progress` does."""

Bars = Callable[[str], Progress]
"""What is measured → the progress of it."""


def no_bars(what: str) -> Progress:
    """No progress is shown."""
    return iter


class Conditions(NamedTuple):
    """Under which a protocol measures."""

    dataset: str
    """The name of the images' dataset."""
    seed: int
    """Of everything random: binarisation, noise, generated images."""
    progress: Progress
    """Wraps the sequence of batches."""
    world: World
    """The processes that may share the batches; all must return the same."""
    settings: dict[str, Any]
    """One for each of the protocol's `settings`."""


class Metric(NamedTuple):
    """A number that stands for a figure in the Hub's `model-index`."""

    type: str
    name: str
    value: float


class Protocol:
    """Base of every protocol; a plugin registers the subclass.

    Measuring may import torch, everything else must not: figures are shown by commands that start
    without it.
    """

    figure: ClassVar[type[Figure]]
    """What it measures; the figure's tag is the protocol's registered name."""

    title: ClassVar[str]
    """The heading of its figures on a card, with the direction in which they are better."""

    columns: ClassVar[tuple[str, ...]]
    """The columns of its table on a card, after data, images and seed."""

    settings: ClassVar[dict[str, Any]] = {}
    """What else it depends on, with the defaults; each is also a field of `figure`."""

    values: ClassVar[dict[str, str]] = {}
    """What `each` finds of an image: name → meaning, with the unit. Empty for protocols whose
    figure is of all images together."""

    @property
    def name(self) -> str:
        """The registered name."""
        return str(self.figure.__struct_config__.tag)

    def applies(self, model: Draw) -> bool:
        """Whether the protocol can be used with a model on the data that it was trained on."""
        return True

    def images(self, total: int) -> int:
        """How many of a split's images are taken unless a number is given."""
        return total

    def measure(self, model: Draw, images: Images, conditions: Conditions) -> dict[str, Any]:
        """The values of a figure; they depend on the model, the images and the seed alone.

        Arguments:
            model: The model, in evaluation mode.
            images: The images.
            conditions: The seed and what else the measurement is told.

        Raises:
            ConfigError: If the protocol cannot be used with the model or the images.
        """
        return self.total(model, self.each(model, images, conditions), conditions)

    def each(self, model: Draw, images: Images, conditions: Conditions) -> dict[str, Tensor]:
        """`values` of every image, [N] on the CPU, from which `total` makes the figure's.

        A protocol with a value of each image defines these two; any other defines `measure`.

        Arguments:
            model: The model, in evaluation mode.
            images: The images.
            conditions: The seed and what else the measurement is told.

        Raises:
            ConfigError: If the protocol cannot be used with the model or the images.
        """
        raise NotImplementedError

    def check_each(self) -> None:
        """Raises `ConfigError` if the protocol has no value of a single image."""
        if not self.values:
            known = ", ".join(name for name, one in protocols().items() if one.values)
            raise ConfigError(
                f"protocol {self.name} measures all images together, and has no value of a single "
                f"one; choose one of {known}"
            )

    def total(
        self, model: Draw, found: dict[str, Tensor], conditions: Conditions
    ) -> dict[str, Any]:
        """The values of a figure, from what `each` found."""
        raise NotImplementedError

    def for_card(self, found: Callable[[int], Figure], total: int) -> Figure | None:
        """The figure for a model's card, None if the split is too small.

        Arguments:
            found: Measures on a number of images.
            total: The images of the split.
        """
        return found(self.images(total))

    def in_words(self, figure: Any) -> str:
        """What a figure says, without the data it was measured on."""
        raise NotImplementedError

    def row(self, figure: Any) -> list[str]:
        """A figure's cells for `columns`."""
        raise NotImplementedError

    def explanation(self, figures: Sequence[Any]) -> str:
        """What stands below the table on a card, Markdown."""
        raise NotImplementedError

    def metrics(self, figure: Any) -> list[Metric]:
        """The numbers that stand for a figure on the Hub."""
        raise NotImplementedError

    def summary(self, figure: Figure) -> str:
        """A figure in a line."""
        where = f"{counted(figure.images, 'image')} of {figure.dataset} {figure.split}"
        return f"{self.in_words(figure)} ({where}, protocol {self.name}, seed {figure.seed})"


def find_protocol(name: str) -> Protocol:
    """The protocol registered under a name.

    Raises:
        UnknownNameError: If there is none.
        PluginError: If what is registered is no protocol of that name.
    """
    entry = registry().find("protocol", name)
    found = entry.load()
    if not (isinstance(found, type) and issubclass(found, Protocol)):
        raise PluginError(f"protocol {entry.qualified} is no drawzoo.Protocol class")
    protocol = found()
    if protocol.name != entry.name:
        raise PluginError(
            f"protocol {entry.qualified} measures figures tagged {protocol.name!r}; tag them "
            f"{entry.name!r}"
        )
    return protocol


def protocols() -> dict[str, Protocol]:
    """Name → protocol, in the order in which cards have them."""
    found = {}
    for entry in registry().in_order("protocol"):
        # A bad one is an error where it is asked for by name, and harms no other.
        with contextlib.suppress(PluginError):
            found[entry.name] = find_protocol(entry.qualified)
    return found


def read_figures(recorded: Iterable[dict[str, Any]]) -> list[Any]:
    """The figures of a manifest's entry, without figures of protocols that are not installed.

    Raises:
        ConfigError: If one is not what its protocol measures.
    """
    known, figures = protocols(), []
    for facts in recorded:
        if protocol := known.get(facts.get("protocol", "")):
            try:
                figures.append(msgspec.convert(facts, protocol.figure))
            except msgspec.ValidationError as error:
                raise ConfigError(f"figure of protocol {protocol.name}: {error}") from None
    return figures
