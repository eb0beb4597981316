"""Tables on stdout."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

__all__ = ["print_table"]

WIDE = 1_000
"""Columns to assume where stdout is no terminal, so that nothing is cut for the next program."""
GAP = 2
"""Between two columns."""


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    drop: Sequence[str] = (),
    prose: str | None = None,
) -> None:
    """Prints a table whose cells can be copied: none is cut or folded but prose.

    Where stdout is a terminal that is too narrow, titles are folded first, and then columns left
    out. The first column always stays.

    Arguments:
        header: The columns' titles.
        rows: The cells.
        drop: Titles in the order in which they are left out; the other columns follow, the last
            one first, prose at the end.
        prose: The title of the column that is folded at its spaces to what the others leave.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    width = console.width if console.is_terminal else WIDE
    cells = {}
    for title, column in zip(header, zip(*rows, strict=True), strict=bool(rows)):
        parts = " ".join(column).split() if title == prose else column
        cells[title] = max(map(cell_len, parts), default=0)
    # Whole titles if there is room, else as narrow as their words.
    widths = {title: max(cells.get(title, 0), cell_len(title)) for title in header}
    if _total(widths) > width:
        widths = {t: max(cells.get(t, 0), *map(cell_len, t.split())) for t in header}
    others = [title for title in reversed(header[1:]) if title not in (*drop, prose)]
    for title in (*drop, *others, *filter(None, [prose])):
        if _total(widths) > width:
            del widths[title]
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for title, room in widths.items():
        lines = "\n".join(textwrap.wrap(title, room, break_long_words=False))
        table.add_column(Text(lines), no_wrap=title != prose, overflow="fold")
    for row in rows:
        by_title = dict(zip(header, row, strict=True))
        table.add_row(*(Text(by_title[title]) for title in widths))
    # A name that is longer than the terminal is wide is the terminal's to fold.
    Console(width=max(width, _total(widths))).print(table, crop=False)


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)
