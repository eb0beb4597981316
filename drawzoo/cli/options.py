"""Options that several commands share."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from drawzoo.errors import ConfigError

__all__ = [
    "PLUGIN_FILES",
    "CompileCommand",
    "OutputFile",
    "cache_option",
    "check_device",
    "check_gif",
    "compile_option",
    "data_option",
    "json_option",
    "parse_setting",
    "plugin_options",
]

PLUGIN_FILES = "drawzoo.plugin_files"
"""Where a command finds what was said with `--plugin`, in its context's `meta`."""

cache_option = click.option(
    "--cache-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="The Hub's cache. [HF_HUB_CACHE, or hub in HF_HOME]",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The folder of datasets, with MNIST/raw in it, or folder:PATH, a folder of your own "
    "images. [DRAWZOO_DATA, or the cache]",
)
"""`--data`, as `data`; give it to `data_root`."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""`--json`, as `as_json`."""


class CompileCommand(click.Command):
    """A command with `--compile [auto|yes|no]`, in which a bare `--compile` means yes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's, after the bare ones have got their value."""
        # Click would take the argument after a bare --compile for its value.
        args = [
            "--compile=yes" if arg == "--compile" and after not in ("auto", "yes", "no") else arg
            for arg, after in itertools.pairwise([*args, ""])
        ]
        return super().parse_args(ctx, args)


class OutputFile(click.Path):
    """A file to write, whose suffix says the format; free of torch.

    A default name that is taken gets a number, so that only a file that was named is replaced.

    Arguments:
        suffix: Of the format, such as ".png".
        or_folder: Whether a folder may be named in its place: one that is there, or a new one
            without a suffix.
    """

    def __init__(self, suffix: str, *, or_folder: bool = False) -> None:
        super().__init__(path_type=Path)
        self.suffix, self.or_folder = suffix, or_folder

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Click's, after what cannot be meant has been refused."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if os.fspath(value) == "-":
            self.fail(f"'-' names no file; name one, such as x{self.suffix}")
        if ctx and param and param.name:
            source = ctx.get_parameter_source(param.name)
            if source in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
                return _free(path)
        if self.or_folder and path.is_dir() and path.resolve() in (Path.cwd(), Path(path.anchor)):
            self.fail(f"{path} is not a folder of shards alone; name a folder in it")
        if path.exists() and not path.is_file():
            # Folders, pipes and devices: the command says what it can do with them.
            return path
        new_folder = self.or_folder and not path.suffix and not path.exists()
        if path.suffix.lower() != self.suffix and not new_folder:
            kind = self.suffix[1:].upper() if len(self.suffix) == 4 else self.suffix[1:]
            self.fail(
                f"{path} does not end in {self.suffix}, and {kind} is what is written; "
                f"say {path.with_suffix(self.suffix)}"
            )
        return path


def _free(path: Path) -> Path:
    """The path, or, where there is something, the first of `NAME-1`, `NAME-2`, … that is free."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(1))
    return next(one for one in itertools.chain([path], numbered) if not os.path.lexists(one))


MAX_FRAMES = 1_000
MAX_GIF_PIXELS = 1 << 25
"""In an animation, of all images at all steps: they bound the memory to some hundred megabytes."""


def check_gif(steps: int, num: int, image: tuple[int, ...]) -> None:
    """Refuses an animation that would take more than the memory.

    Arguments:
        steps: Its frames.
        num: Images in each.
        image: The shape of each, (C, H, W).

    Raises:
        ConfigError: If it is too large.
    """
    pixels = steps * num * math.prod(image)
    if steps > MAX_FRAMES or pixels > MAX_GIF_PIXELS:
        raise ConfigError(
            f"--gif: {steps:,} steps of {num} images are {pixels:,} pixels; at most "
            f"{MAX_FRAMES:,} steps and {MAX_GIF_PIXELS:,} pixels are animated; choose fewer"
        )


compile_option = click.option(
    "--compile",
    type=click.Choice(["auto", "yes", "no"]),
    default="no",
    show_default=True,
    help="Compile the model: a minute or two first, then faster; auto: if the run is long enough. "
    "--compile alone is yes.",
)


def check_device(name: str) -> None:
    """Raises `ConfigError` if torch cannot use that device."""
    import torch

    try:
        # The device meta holds no values, and says so only when it is asked for one.
        torch.zeros(1, device=name).item()
    except Exception as error:
        # Backends that are not there raise nearly anything, the first sentence of which is enough.
        reason = (str(error) or type(error).__name__).splitlines()[0].partition(". ")[0][:150]
        raise ConfigError(f"--device {name}: cannot be used here ({reason}); try cpu") from None


def parse_setting(item: str) -> tuple[str, Any]:
    """The key and the value, JSON or else text, of a `--set KEY=VALUE`."""
    import json

    key, equals, value = item.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{item!r} is not KEY=VALUE", param_hint="--set")
    try:
        return key, json.loads(value)
    except RecursionError:
        raise click.BadParameter(f"{key}: nested too deep", param_hint="--set") from None
    except ValueError:
        return key, value


def plugin_options() -> list[str]:
    """The options `--plugin` that were given, for a command that is to be given again."""
    files = click.get_current_context().meta.get(PLUGIN_FILES, ())
    return [word for file in files for word in ("--plugin", str(file))]
