"""`drawzoo cluttered`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from drawzoo.commands import Registered, data_option, json_option

if TYPE_CHECKING:
    from drawzoo import Draw

__all__ = ["PAPER", "cluttered"]

DATASET = "cluttered-mnist"


class Result(NamedTuple):
    """A row of the table."""

    model: str
    error: float
    """Share of the test images."""
    stderr: float | None = None
    megaflop: float | None = None
    """Of a forward pass an image; a multiplication and an addition are two."""
    parameters: int | None = None


PAPER = (
    Result("convolutional, 2 layers", 0.1435),
    Result("RAM, 4 glimpses, 12 × 12, 4 scales", 0.0941),
    Result("RAM, 8 glimpses, 12 × 12, 4 scales", 0.0811),
    Result("differentiable RAM, 4 glimpses, 12 × 12", 0.0418),
    Result("differentiable RAM, 8 glimpses, 12 × 12", 0.0336),
)
"""Table 1 of the paper: errors on its own 100 × 100 cluttered translated MNIST."""


@click.command
@click.argument("models", nargs=-1, required=True, type=Registered("model"))
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Only so many images, drawn from the test split by a fixed seed. [all]",
)
@data_option
@json_option
def cluttered(
    models: tuple[str, ...], images: int | None, data: Path | None, as_json: bool
) -> None:
    """Classifies digits in clutter with MODELS, beside Table 1 of the paper (section 4.1).

    The paper's data are not published: both are digits of MNIST on 100 × 100 pixels with eight
    pieces of others, but ours are binarised.

    \b
    drawzoo train classifier-cluttered-mnist --out runs/glimpses
    drawzoo train plain-cluttered-mnist --out runs/plain
    drawzoo cluttered local-dir:runs/glimpses local-dir:runs/plain
    """
    import functools

    from drawzoo import ConfigError, evaluate, load_dataset
    from drawzoo.commands import data_root, load_models, print_json, print_table, progress

    loaded = load_models(models)
    for name, model in loaded.items():
        if not model.encoder.classifies:
            raise ConfigError(f"{name} does not classify; see: drawzoo list '*-cluttered-mnist'")
    chosen = load_dataset(DATASET, "test", data_root(data))
    if images:
        chosen = chosen.subset(images)
    results = []
    for name, model in loaded.items():
        shown = functools.partial(progress, what=name)
        figure = evaluate(model, "accuracy", chosen, dataset=DATASET, progress=shown)
        parameters = sum(parameter.numel() for parameter in model.encoder.parameters())
        error = round(1 - figure.accuracy, 4)
        results.append(Result(name, error, figure.accuracy_stderr, _megaflop(model), parameters))
    if as_json:
        print_json(
            {
                "images": len(chosen.pixels),
                "models": [result._asdict() for result in results],
                "paper": [{"model": row.model, "error": row.error} for row in PAPER],
            },
            indent=2,
        )
        return
    print_table(
        ["classifier", "error", "MFLOP an image", "parameters"], [_cells(r) for r in results]
    )
    print_table(["paper, Table 1", "error"], [_cells(row)[:2] for row in PAPER])


def _cells(row: Result) -> list[str]:
    error = f"{row.error:.2%}" + (f" ± {row.stderr:.2%}" if row.stderr is not None else "")
    flop = "" if row.megaflop is None else f"{row.megaflop:.1f}"
    return [row.model, error, flop, "" if row.parameters is None else f"{row.parameters:,}"]


def _megaflop(model: Draw) -> float:
    """The products of classifying an image, filters of windows included."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    # In float64 a window reads by products, which are counted; kernels are not.
    encoder = copy.deepcopy(model.encoder).double().requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        encoder.classify(encoder.prepare(torch.zeros(1, *model.config.image).double()))
    return float(round(counter.get_total_flops() / 1e6, 2))
