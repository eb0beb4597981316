"""JSON on stdout."""

from __future__ import annotations

import json
from typing import Any

import click

from drawzoo.errors import WeightsError

__all__ = ["print_json"]


def print_json(data: Any, **style: Any) -> None:
    """Prints data as JSON, in the style of `json.dumps`.

    Raises:
        WeightsError: If a number is NaN or infinite, which JSON does not have.
    """
    try:
        text = json.dumps(data, allow_nan=False, **style)
    except ValueError:
        raise WeightsError(
            "there are values that are not finite: the weights are damaged or too large; get them "
            "again, or use another model"
        ) from None
    click.echo(text)
