"""Progress on stderr: bars where it is a terminal; a run's training says lines elsewhere."""

from __future__ import annotations

import contextlib
import functools
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
    """The items, with a bar."""
    with _bar(shown=shown) as bar:
        yield from bar.track(items, description=what)


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
