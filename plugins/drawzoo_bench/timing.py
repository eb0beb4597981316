"""Timing: warm-up, repetition, medians and spread, and the memory's peak."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

__all__ = ["Timing", "alternate", "peak_memory_mb", "wait"]

WARM_UP = 3
LEAST = 7
"""Rounds that are measured, however long they take."""


class Timing(NamedTuple):
    """Milliseconds of one piece of work, over all rounds."""

    median: float
    spread: float
    """Half the distance between the quartiles, as a fraction of the median."""
    least: float
    rounds: int


def alternate(
    works: Sequence[Callable[[], object]], device: torch.device, seconds: float
) -> list[Timing]:
    """Times several pieces of work in alternation, so that all meet the same conditions.

    Arguments:
        works: What to time.
        device: Where it runs; its queue is emptied before the clock is read.
        seconds: For all of it, the warm-up apart; at least seven rounds are done.
    """
    for _ in range(WARM_UP):
        for work in works:
            work()
    times: list[list[float]] = [[] for _ in works]
    end = time.perf_counter() + seconds
    while len(times[0]) < LEAST or time.perf_counter() < end:
        for work, taken in zip(works, times, strict=True):
            wait(device)
            start = time.perf_counter()
            work()
            wait(device)
            taken.append(1e3 * (time.perf_counter() - start))
    return [_timing(taken) for taken in times]


def wait(device: torch.device) -> None:
    """Waits until a device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _timing(times: list[float]) -> Timing:
    first, median, third = statistics.quantiles(times, n=4, method="inclusive")
    return Timing(median, (third - first) / 2 / median, min(times), len(times))


def peak_memory_mb(device: torch.device) -> float | None:
    """The most memory in use so far: of the device's tensors, or on the CPU of the process.

    Windows does not tell Python of the process.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
