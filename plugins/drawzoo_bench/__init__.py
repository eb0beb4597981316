"""How fast models train and draw, beside their matrix products alone: the command `bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    from drawzoo_bench import command, quality_command

    command.command.add_command(quality_command.command, "quality")
    cli.add_command(command.command, "bench")
