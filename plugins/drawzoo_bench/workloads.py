"""The work that is timed: a step of training, a batch of drawings, a batch of bounds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from drawzoo import Draw, Images, ModelConfig, RunConfig, Trainer, TrainingConfig, build
from drawzoo.commands import compile_sampling, ops
from drawzoo_bench.floor import floor, gigaflop, products
from drawzoo_bench.timing import alternate, peak_memory_mb

__all__ = ["KINDS", "bench", "training"]

Kind = Literal["train", "sample", "evaluate"]
Work = Callable[[], object]

KINDS: tuple[Kind, ...] = ("train", "sample", "evaluate")


def bench(
    kind: Kind,
    config: ModelConfig,
    *,
    batch: int,
    device: str = "cpu",
    compile: bool = False,
    seconds: float = 10,
) -> dict[str, Any]:
    """Times one kind of work of a model, with new weights and random images.

    Arguments:
        kind: "train", a whole step of training: binarisation, forward, backward, clipping and
            optimiser; "sample", drawing a batch from the prior; "evaluate", the bound of a batch.
        config: The model.
        batch: Images at once.
        device: Where.
        compile: Whether through `torch.compile`; its time is told apart, as `compile_s`.
        seconds: For the measurement.

    Returns:
        What `drawzoo bench --json` prints. `floor_ratio` is the quotient of the two medians.
    """
    where = torch.device(device)
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)
    with tempfile.TemporaryDirectory() as folder:
        # The eager engine's products are counted: what is compiled hides them.
        recorded = products(_work(kind, config, batch, device, False, Path(folder)))
        work = _work(kind, config, batch, device, compile, Path(folder))
        start = time.perf_counter()
        if compile:
            work()
        compile_s = time.perf_counter() - start
        libraries = ops.libraries() if where.type == "cpu" else ("default",)
        floors = [floor(recorded, library) for library in libraries]
        step, *times = alternate([work, *floors], where, seconds)
    memory = peak_memory_mb(where)
    least, by = min(zip(times, libraries, strict=True))
    # Eager training and evaluation do not know that the weights are the same at each step.
    repeated = kind == "sample" or (kind == "train" and compile)
    return {
        "work": kind,
        "model": config.name,
        "images_per_s": round(1e3 * batch / step.median, 1),
        "step_ms": round(step.median, 3),
        "step_spread": round(step.spread, 4),
        "gemm_floor_ms": round(least.median, 3),
        "gemm_floor_spread": round(least.spread, 4),
        "gemm_floor_route": by,
        "gemm_gflop": round(gigaflop(recorded), 7),
        "floor_ratio": round(step.median / least.median, 3),
        "peak_memory_mb": None if memory is None else round(memory, 1),
        "batch": batch,
        "steps": config.steps,
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else device,
        "threads": torch.get_num_threads(),
        "processor": str(ops.processor()),
        "products": ops.route(repeated=repeated) if where.type == "cpu" else "default",
        "kernels": ops.available() and where.type == "cpu",
        "compile": compile,
        "compile_s": round(compile_s, 2),
        "rounds": step.rounds,
        "torch": torch.__version__,
    }


def training(
    config: ModelConfig,
    batch: int,
    device: str,
    folder: Path,
    *,
    compile: bool,
    recompute: bool = False,
) -> Work:
    """A whole step of training on random images, with a trainer of its own."""
    generator = torch.Generator().manual_seed(0)
    shape = (8 * batch, *config.image)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (len(pixels),), generator=generator)
    run = RunConfig(config, TrainingConfig(batch_size=batch, epochs=10**6))
    images = Images(pixels, labels, binarize=True)
    trainer = Trainer(run, images, folder, compile=compile, recompute=recompute, device=device)
    return trainer.train_step


def _work(
    kind: Kind,
    config: ModelConfig,
    batch: int,
    device: str,
    compile: bool,
    folder: Path,
) -> Work:
    if kind == "train":
        return training(config, batch, device, folder, compile=compile)
    generator = torch.Generator().manual_seed(0)
    model = build(config).eval().to(device)
    if kind == "sample":
        return _sampling(model, batch, generator, compile)
    x = torch.bernoulli(torch.full((batch, *config.image), 0.2), generator=generator).to(device)
    if compile:
        model.compile()
    return lambda: model.bound(x, generator=generator)


def _sampling(model: Draw, batch: int, generator: torch.Generator, compile: bool) -> Work:
    if compile:
        compile_sampling(model)
    return lambda: model.sample(batch, generator=generator)
