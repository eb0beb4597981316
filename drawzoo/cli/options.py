"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drawzoo.errors import ConfigError

__all__ = [
    "CompileCommand",
    "cache_option",
    "check_device",
    "compile_option",
    "data_option",
    "json_option",
    "parse_setting",
]

cache_option = click.option(
    "--cache-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="The Hub's cache. [HF_HUB_CACHE, or hub in HF_HOME]",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The folder of datasets, with MNIST/raw in it. [DRAWZOO_DATA, or the cache]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class CompileCommand(click.Command):
    """A command with `--compile [auto|yes|no]`, in which a bare `--compile` means yes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's, after the bare ones have got their value."""
        # Click would take the argument after a bare --compile for its value.
        following = [*args[1:], ""]
        args = [
            "--compile=yes" if arg == "--compile" and after not in ("auto", "yes", "no") else arg
            for arg, after in zip(args, following, strict=True)
        ]
        return super().parse_args(ctx, args)


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
