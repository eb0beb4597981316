"""Models as programs that need no drawzoo: ONNX, or torch's exported programs. `drawzoo export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    from drawzoo_export.command import command

    cli.add_command(command, "export")
