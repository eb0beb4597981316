"""The most memory that a training step takes, with steps of drawing kept and computed again."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from drawzoo import ModelConfig
from drawzoo_bench.timing import wait
from drawzoo_bench.workloads import training

__all__ = ["memory", "peak_mb"]


def memory(
    config: ModelConfig, *, batch: int, device: str = "cpu", compile: bool = False
) -> dict[str, Any]:
    """What a training step takes beyond weights and optimiser, in MiB, and its time.

    Arguments:
        config: The model.
        batch: Images in a step.
        device: Where.
        compile: Whether through `torch.compile`.

    Returns:
        What `drawzoo bench memory --json` prints.
    """
    where = torch.device(device)
    found: dict[str, Any] = {"model": config.name, "steps": config.steps, "batch": batch}
    with tempfile.TemporaryDirectory() as folder:
        for name, recompute in (("kept", False), ("recomputed", True)):
            if compile:
                torch.compiler.reset()
            step = training(
                config, batch, device, Path(folder), compile=compile, recompute=recompute
            )
            step()  # compiles, and makes the optimiser's state
            wait(where)
            start = time.perf_counter()
            step()
            wait(where)
            found[f"{name}_ms"] = round(1e3 * (time.perf_counter() - start), 3)
            found[f"{name}_mb"] = round(peak_mb(step, where), 3)
    found["share"] = round(found["recomputed_mb"] / found["kept_mb"], 4)
    found |= {"device": device, "compile": compile, "torch": torch.__version__}
    return found


def peak_mb(work: Callable[[], object], device: torch.device) -> float:
    """The most memory in MiB that tensors have at once during a piece of work.

    Tensors from before it are not counted. On the CPU every allocation is, so that the figure is
    the same on every machine with the same code.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    activities = [torch.profiler.ProfilerActivity.CPU]
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        with _without_stderr():
            with torch.profiler.profile(
                activities=activities, profile_memory=True, acc_events=True
            ) as profile:
                work()
            profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    totals = (e["args"]["Total Allocated"] for e in events if e["name"] == "[memory]")
    return float(max(totals, default=0) / 2**20)


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Nothing reaches the terminal: the profiler's library writes of its doings, past Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
