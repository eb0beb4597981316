"""Looking into models: codes, steps, windows, interpolation, filters, parameters, with pictures.

The analyses come from the presentation and the paper; the commands are `analyze`, `compare`,
`reconstruct`, `encode` and `decode`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    from drawzoo_analysis import analyze, compare, decode, encode, neighbours, reconstruct, weights

    analyze.command.add_command(weights.kernels)
    analyze.command.add_command(weights.parameters)
    analyze.command.add_command(neighbours.command, "neighbours")
    cli.add_command(analyze.command, "analyze")
    cli.add_command(compare.command, "compare")
    cli.add_command(decode.command, "decode")
    cli.add_command(encode.command, "encode")
    cli.add_command(reconstruct.command, "reconstruct")
