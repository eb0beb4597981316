"""What the commands of `drawzoo bench` share: their options, and the model to measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drawzoo.commands import OutputFile, Registered, check_device, json_option

if TYPE_CHECKING:
    from drawzoo import ModelConfig

__all__ = ["plot_option", "prepared", "shared_options"]


def plot_option(default: str) -> Callable[[Any], Any]:
    """`--out`, the plot."""
    return click.option(
        "--out",
        type=OutputFile(".png"),
        default=Path(default),
        show_default=f"{default}, with a number if that is there",
        help="The plot (PNG).",
    )


def shared_options(batch: int, compile: bool, *, seconds: bool = True) -> Callable[[Any], Any]:
    """The options that the commands share; `seconds` are for all that repeat one piece of work."""
    options = [
        click.argument("model", type=Registered("model")),
        click.option(
            "--batch",
            type=click.IntRange(1, 10**6),
            default=batch,
            show_default=True,
            help="Images.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="A setting of the model, such as steps=64. Repeatable.",
        ),
        click.option(
            "--compile/--no-compile",
            default=compile,
            show_default=True,
            help="Through torch.compile, whose time is told apart.",
        ),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …"),
        click.option(
            "--threads", type=click.IntRange(1, 1024), help="Of the CPU. [torch's choice]"
        ),
        json_option,
    ]
    if seconds:
        options.append(
            click.option(
                "--seconds",
                type=click.FloatRange(0, 3600),
                default=10,
                show_default=True,
                help="For the measurement, compilation and warm-up apart.",
            )
        )

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def prepared(options: dict[str, Any]) -> ModelConfig:
    """The model to measure, after what the options say of the machine."""
    from drawzoo import build, model_config
    from drawzoo.commands import check_config, override, parse_setting

    config = override(model_config(options["model"]), dict(map(parse_setting, options["settings"])))
    check_config(config)

    import torch

    check_device(options["device"])
    if options["threads"]:
        torch.set_num_threads(options["threads"])
    with torch.device("meta"):
        return build(config).config
