"""How the cost of a training step grows with the model's sizes, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from drawzoo import ModelConfig
from drawzoo.commands import override
from drawzoo_bench.workloads import bench

__all__ = ["AXES", "plot", "points", "scaling"]

AXES: dict[str, tuple[int, ...]] = {
    "steps": (2, 5, 10, 20, 64),
    "batch": (10, 30, 100, 300),
    "units": (64, 128, 256, 512),
    "pixels": (14, 28, 56),
}
"""What is varied: T, images in a batch, units of decoder and encoder, pixels along a side."""


def points(config: ModelConfig, batch: int) -> list[tuple[str, int, ModelConfig, int]]:
    """All (axis, value, model, batch) to measure."""
    found = []
    for axis, values in AXES.items():
        for value in values:
            changed = override(config, _changes(axis, value, config))
            found.append((axis, value, changed, value if axis == "batch" else batch))
    return found


def _changes(axis: str, value: int, config: ModelConfig) -> dict[str, Any]:
    if axis == "steps":
        return {"steps": value}
    if axis == "pixels":
        return {"image": [config.image[0], value, value]}
    if axis == "units":
        # What has no units keeps its size.
        return {
            f"{kind}.units": value
            for kind in ("encoder", "decoder")
            if "units" in getattr(config, kind).config
        }
    return {}


def scaling(
    config: ModelConfig,
    *,
    batch: int,
    device: str,
    compile: bool = False,
    seconds: float,
    progress: Callable[[Sequence[Any]], Iterable[Any]] = iter,
) -> list[dict[str, Any]]:
    """One record a point: axis, value, and the times of a training step."""
    records = []
    for axis, value, changed, images in progress(points(config, batch)):
        figures = bench(
            "train", changed, batch=images, device=device, compile=compile, seconds=seconds
        )
        records.append(
            {
                "axis": axis,
                "value": value,
                "step_ms": figures["step_ms"],
                "step_spread": figures["step_spread"],
                "gemm_floor_ms": figures["gemm_floor_ms"],
                "ms_per_drawing_step": round(figures["step_ms"] / changed.steps, 4),
                "us_per_image": round(1e3 * figures["step_ms"] / images, 3),
            }
        )
    return records


def plot(records: list[dict[str, Any]], path: Path, title: str) -> None:
    """Step time and floor against each size, on logarithmic axes, as PNG."""
    from matplotlib.figure import Figure

    from drawzoo.commands import open_atomic

    labels = {
        "steps": "T, steps of drawing",
        "batch": "images in a batch",
        "units": "units of the LSTMs",
        "pixels": "pixels along a side",
    }
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    for axes, (axis, label) in zip(figure.subplots(1, len(labels)), labels.items(), strict=True):
        chosen = [record for record in records if record["axis"] == axis]
        values = [record["value"] for record in chosen]
        axes.loglog(values, [r["step_ms"] for r in chosen], "o-", label="training step")
        axes.loglog(values, [r["gemm_floor_ms"] for r in chosen], "s--", label="products alone")
        axes.set_xticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("ms")
    figure.axes[0].legend()
    figure.suptitle(title)
    with open_atomic(path) as file:
        figure.savefig(file, format="png", dpi=110)
