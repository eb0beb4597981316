"""What a check says."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

__all__ = ["Check", "State"]

State = Literal["ok", "note", "fault"]
"""A note is of what works, but not as well as it could; a fault of what cannot be used."""


class Check(NamedTuple):
    """One line of the doctor's."""

    name: str
    state: State
    says: str
    hint: str | None = None
    """What to do, unless all is well."""
    facts: dict[str, Any] = {}
    """What was found, as JSON."""
