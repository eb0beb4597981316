"""Tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["print_table"]

WIDE = 1_000
"""Columns to assume where stdout is no terminal, so that nothing is cut for the next program."""


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table, folded to the terminal's width where stdout is one."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in header:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
