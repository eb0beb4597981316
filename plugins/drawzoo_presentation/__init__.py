"""The presentation that this zoo reproduces: its tables, and the command that prints them.

N. Modhe and V. Jain analysed DRAW and proposed three convolutional variants of it (IIT Kanpur,
2016). `drawzoo reproduce tables` prints the presentation's figures beside the figures of the
weights that ship.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    from drawzoo_presentation.command import reproduce

    cli.add_command(reproduce)
