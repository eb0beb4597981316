"""How a check fails: the fault in the first line, then what was seen, then what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from drawzoo.errors import one_line, short

__all__ = ["Fault", "blame", "reason"]


class Fault(AssertionError):
    """What is wrong with a component, a data set, a model or a plugin.

    Arguments:
        who: The thing, as in "encoder GRUEncoder".
        what: The fault, which continues the sentence.
        seen: The smallest example.
        do: What to do about it.
    """

    def __init__(self, who: str, what: str, seen: str, do: str) -> None:
        super().__init__(f"{short(one_line(f'{who} {what}'))}\n  seen: {seen}\n  do: {do}")


@contextlib.contextmanager
def blame(who: str, what: str, seen: str, do: str) -> Iterator[None]:
    """Makes a `Fault` of any exception in the body: none of a plugin's errors is shown raw."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        raise Fault(who, f"{what}: {reason(error)}", seen, do) from error


def reason(error: BaseException) -> str:
    """An exception as one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return short(": ".join([type(error).__name__, *lines[:1]]))
