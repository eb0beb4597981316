"""A model as programs: traced, made into the bytes of files, and compared with the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from drawzoo import Draw
from drawzoo_export.comparing import DRAWINGS, TOLERANCE, check
from drawzoo_export.formats import FORMATS
from drawzoo_export.graphs import Graph, Port, graphs_of
from drawzoo_export.kinds import KINDS
from drawzoo_export.tracing import trace

__all__ = ["export"]


def export(
    model: Draw,
    to: str,
    *,
    weights: str | None = None,
    whole: bool = True,
    progress: Callable[[Sequence[Graph]], Iterable[Graph]] = iter,
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Exports a model, and compares with the engine what was exported; writes nothing.

    Arguments:
        model: In evaluation mode, on the CPU.
        to: The name of a kind.
        weights: The SHA-256 of the file of weights, if there is one.
        whole: Start, step and drawing; otherwise the drawing alone.
        progress: Shows how far it is.

    Returns:
        Name of a graph → the bytes of its file; and all that there is to say of the files.

    Raises:
        ConfigError: If a component does what cannot be exported.
        OutputError: If what was exported draws otherwise than the model.
    """
    graphs, form = graphs_of(model)[0 if whole else -1 :], FORMATS[to]
    files = {graph.name: form.write(graph, trace(graph)) for graph in progress(graphs)}
    difference = check(model, {name: form.load(data) for name, data in files.items()})
    about = {
        "drawzoo": 1,
        "model": model.name,
        "weights_sha256": weights,
        "steps": model.steps,
        "format": to,
        "opset": KINDS[to].opset,
        "versions": KINDS[to].versions(),
        "compared": {"drawings": DRAWINGS, "difference": difference, "tolerance": TOLERANCE},
        "graphs": {
            graph.name: {
                "sha256": hashlib.sha256(files[graph.name]).hexdigest(),
                "inputs": _ports(graph.inputs),
                "outputs": _ports(graph.outputs),
            }
            for graph in graphs
        },
    }
    return files, about


def _ports(ports: Iterable[Port]) -> list[dict[str, Any]]:
    return [port._asdict() for port in ports]
