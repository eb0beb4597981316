"""The images that a command looks at: numbers of a dataset's, or the user's own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from drawzoo.commands import Registered, data_option

if TYPE_CHECKING:
    from drawzoo import Draw, Images

__all__ = ["Source", "images_argument", "source_options"]

F = TypeVar("F", bound=Callable[..., Any])

IMAGE = click.Path(readable=False)
"""A test image's number or a file, which the shell completes; a `Source` reads it."""

images_argument = click.argument("images", nargs=-1, metavar="[IMAGE]...", type=IMAGE)


class Source(NamedTuple):
    """Where images come from; made of the options below."""

    dataset: str
    split: str
    data: Path | None
    transform: str | None

    def check(self, chosen: tuple[str, ...] = ()) -> None:
        """Refuses what can be seen to be wrong without torch.

        Raises:
            UnknownNameError: If there is no such dataset.
            DataError: If one of the images is a file that cannot be read.
        """
        from drawzoo.commands import check_readable, registry

        registry().find("dataset", self.dataset)
        for item in chosen:
            if not _is_number(item):
                check_readable(Path(item))

    def split_images(self, model: Draw) -> Images:
        """The whole split.

        Raises:
            ConfigError: If its images do not fit the model.
        """
        from drawzoo import ConfigError, load_dataset
        from drawzoo.commands import data_root

        image = model.config.image
        images = load_dataset(self.dataset, self.split, data_root(self.data), image=image)
        if tuple(images.pixels.shape[1:]) != model.config.image:
            raise ConfigError(
                f"{model.config.name} draws {_size(model.config.image)}, the images of "
                f"{self.dataset} are {_size(images.pixels.shape[1:])}; choose another --dataset"
            )
        return images

    def choose(self, model: Draw, chosen: tuple[str, ...]) -> tuple[Images, list[str]]:
        """The images named, and what to call each: numbers are the dataset's, others are files.

        Raises:
            DataError: If there is no such image.
        """
        import torch

        from drawzoo import DataError, Images
        from drawzoo.commands import read_images

        whole = self.split_images(model) if any(map(_is_number, chosen)) else None
        pixels, names, binarize = [], [], False
        for item in chosen:
            if whole is not None and _is_number(item):
                if int(item) >= len(whole.pixels):
                    raise DataError(
                        f"{self.dataset} {self.split} has no image {item}; "
                        f"its images are 0 to {len(whole.pixels) - 1}"
                    )
                part = Images(whole.pixels[[int(item)]], None, whole.binarize)
                names.append(f"{self.dataset} {item}")
            else:
                part = read_images([Path(item)], model.config.image, self.transform)
                names.append(Path(item).name)
            pixels.append(part.pixels)
            binarize |= part.binarize
        return Images(torch.cat(pixels), None, binarize), names


def source_options(command: F) -> F:
    """Adds the options that make a `Source`."""
    options = (
        click.option(
            "--dataset",
            type=Registered("dataset"),
            default="mnist-sample",
            show_default=True,
            help="Dataset.",
        ),
        click.option("--split", default="test", show_default=True, help="Split of the dataset."),
        data_option,
        click.option(
            "--transform",
            type=click.Choice(["strokes", "photo", "none"]),
            help="How files are fitted to the canvas. [strokes; photo for canvases with colours]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _is_number(item: str) -> bool:
    return item.isascii() and item.isdecimal() and len(item) < 20


def _size(shape: Any) -> str:
    return "×".join(map(str, shape))
