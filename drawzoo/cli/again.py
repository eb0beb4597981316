"""Measuring recorded figures again, with progress bars. Free of torch until it is used."""

from __future__ import annotations

from pathlib import Path

from drawzoo.schema.figures import Figure, disagreement

__all__ = ["measure_all"]


def measure_all(
    folder: Path, recorded: list[Figure], data: Path | None
) -> list[tuple[Figure, str | None]]:
    """The figures as they are found now for the model in a folder.

    Arguments:
        folder: The model's, verified.
        recorded: The figures that were recorded for it.
        data: The user's choice of where datasets lie.

    Returns:
        For each the figure found, and what differs; None if nothing does.
    """
    import functools

    from drawzoo.cli.progress import progress
    from drawzoo.disk.paths import data_root
    from drawzoo.evaluation.measure import measure_again
    from drawzoo.store.weights import read_model

    model = read_model(folder)
    pairs = []
    for figure in recorded:
        bar = functools.partial(progress, what=f"{figure.model} {figure.protocol}")
        found = measure_again(model, figure, data_root(data), progress=bar)
        pairs.append((found, disagreement(figure, found)))
    return pairs
