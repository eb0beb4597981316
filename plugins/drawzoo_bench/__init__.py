"""How fast models train and draw, beside their matrix products alone: the command `bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    from drawzoo_bench.command import command

    cli.add_command(command, "bench")
