"""Tables in Markdown, for cards and READMEs. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["table"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A table of cells that hold no `|`.

    Example:
        >>> table(["k", "nats"], [["1", "2.5"]])
        '| k | nats |\n|---|---|\n| 1 | 2.5 |'
    """
    line = f"|{'---|' * len(header)}"
    first, *rest = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    return "\n".join([first, line, *rest])
