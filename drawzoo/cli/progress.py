"""Progress on stderr: bars where it is a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["bars", "download_progress", "progress", "training_progress"]

T = TypeVar("T")

QUIET_S = 30
"""Seconds between the lines of progress where there is no terminal."""


def _bar(
    *extra: ProgressColumn, count: ProgressColumn | None = None, shown: bool = True
) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        count or MofNCompleteColumn(),
        *extra,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    )


def progress(items: Sequence[T], what: str, *, shown: bool = True) -> Iterator[T]:
    """The items, with a bar, or a line every so often without a terminal."""
    with _bar(shown=shown) as bar:
        said = time.monotonic()
        for done, item in enumerate(bar.track(items, description=what)):
            if shown and not bar.console.is_terminal and time.monotonic() - said >= QUIET_S:
                said = time.monotonic()
                click.echo(f"{what}: {done} of {len(items)}", err=True)
            yield item


def bars(what: str) -> Callable[[Sequence[T]], Iterator[T]]:
    """What shows a bar for a sequence, under the name of `what` is done."""
    return functools.partial(progress, what=what)


@contextlib.contextmanager
def training_progress(
    step: int, total: int, *, shown: bool = True
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A run's bar, or a line a record without a terminal; takes the trainer's reports."""
    with _bar(TextColumn("{task.fields[state]}"), shown=shown) as bar:
        task = bar.add_task("step", completed=step, total=total, state="")

        valid: float | None = None

        def report(record: dict[str, Any]) -> None:
            nonlocal valid
            bar.update(task, completed=record["step"])
            if "nats" in record:
                state = "loss {loss:.2f}, {nats:.2f} nats, {images_per_s:,.0f} images/s"
                valid = record.get("valid_nats", valid)
                if valid is not None:
                    state += f", validation {valid:.2f} nats"
                bar.update(task, state=state.format(**record))
                if shown and not bar.console.is_terminal:
                    line = "step {step} of {total}, epoch {epoch:.2f}, " + state
                    click.echo(line.format(total=total, **record), err=True)

        yield report


@contextlib.contextmanager
def download_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar of bytes, seen once some arrive; takes how many are here, and how many will be."""
    with _bar(count=DownloadColumn()) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def report(arrived: int, expected: int | None) -> None:
            bar.update(task, completed=arrived, total=expected, visible=True)

        yield report
