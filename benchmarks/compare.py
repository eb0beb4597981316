"""drawzoo beside a plain DRAW, in alternation: `python benchmarks/compare.py`.

Both train on the same random images at the same sizes (those of draw-mnist: T = 10, 256 units,
windows of 5 × 5), draw from the prior, and meet the same conditions, since they take turns. Ratios
of medians are printed, as JSON; above 1 drawzoo is faster.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from drawzoo_bench.floor import floor, products
from drawzoo_bench.plain_draw import PlainDraw, train_step
from drawzoo_bench.timing import alternate

from drawzoo import ops
from drawzoo.data.images import Images
from drawzoo.registry.build import model_config
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.training.loop import Trainer


def routed(work: Callable[[], object]) -> Callable[[], object]:
    """The same work with float32 products by the fastest library that torch carries."""

    def faster() -> None:
        with ops.fastest(torch.device("cpu")):
            work()

    return faster


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=20, help="for each comparison")
    parser.add_argument("--compile", action="store_true", help="drawzoo's training step compiled")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    cpu = torch.device("cpu")

    pixels = torch.randint(256, (8 * options.batch, 1, 28, 28), dtype=torch.uint8)
    plain = PlainDraw()
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3)
    run = RunConfig(
        model_config("draw-mnist"),
        # The plain DRAW's optimiser: a step is compared, and not what it gains.
        TrainingConfig(batch_size=options.batch, epochs=10**6, optimizer="adam"),
    )
    with tempfile.TemporaryDirectory() as folder:
        images = Images(pixels, None, binarize=True)
        recorded = products(Trainer(run, images, Path(folder)).train_step)
        trainer = Trainer(run, images, Path(folder), compile=options.compile)

    def plainly() -> None:
        train_step(plain, optimizer, pixels[: options.batch])

    ours, theirs, theirs_routed, least = alternate(
        [
            trainer.train_step,
            plainly,
            routed(plainly),
            routed(floor(recorded)),
        ],
        cpu,
        options.seconds,
    )
    generator = torch.Generator().manual_seed(0)
    drawn, drawn_plainly, drawn_routed, many = alternate(
        [
            lambda: trainer.model.sample(options.batch, generator=generator),
            lambda: plain.sample(options.batch),
            routed(lambda: plain.sample(options.batch)),
            lambda: trainer.model.sample(500, generator=generator),
        ],
        cpu,
        options.seconds,
    )
    figures = {
        "batch": options.batch,
        "threads": options.threads,
        "compile": options.compile,
        "train_ms": ours.median,
        "train_ms_plain": theirs.median,
        "train_speedup": theirs.median / ours.median,
        "train_speedup_same_route": theirs_routed.median / ours.median,
        "gemm_floor_ms": least.median,
        "floor_ratio": ours.median / least.median,
        "floor_ratio_plain": theirs.median / least.median,
        "sample_images_per_s": 1e3 * options.batch / drawn.median,
        "sample_images_per_s_plain": 1e3 * options.batch / drawn_plainly.median,
        "sample_speedup": drawn_plainly.median / drawn.median,
        "sample_speedup_same_route": drawn_routed.median / drawn.median,
        "sample_images_per_s_500": 5e5 / many.median,
        "spread": max(t.spread for t in (ours, theirs, least, drawn, drawn_plainly, many)),
    }
    print(json.dumps({k: round(v, 3) for k, v in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
