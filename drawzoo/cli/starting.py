"""A word on what a command waits for before it can say anything itself. Free of torch."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

import click

__all__ = ["watched"]

PATIENCE = 1.0
"""Seconds of silence."""
POLL = 0.05


@contextlib.contextmanager
def watched(name: str = "torch") -> Iterator[None]:
    """Says on a terminal's stderr that a module is being imported, if that takes over a second.

    From a cold disk torch takes ten.
    """
    if name in sys.modules or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(name, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _watch(name: str, done: threading.Event) -> None:
    polls = 0
    while not done.wait(POLL):
        module = sys.modules.get(name)
        if module is None:
            continue
        if not getattr(module.__spec__, "_initializing", False):
            return
        polls += 1
        if polls * POLL >= PATIENCE:
            click.echo(f"starting {name} …", err=True)
            return
