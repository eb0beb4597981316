"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drawzoo.errors import ConfigError

__all__ = ["cache_option", "check_device", "data_option", "json_option", "parse_setting"]

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


def check_device(name: str) -> None:
    """Raises `ConfigError` if torch cannot use that device."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {name}: cannot be used here ({reason}); try cpu") from None


def parse_setting(item: str) -> tuple[str, Any]:
    """The key and the value, JSON or else text, of a `--set KEY=VALUE`."""
    import json

    key, equals, value = item.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{item!r} is not KEY=VALUE", param_hint="--set")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
