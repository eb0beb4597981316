"""From a graph in Python to torch's exported program, which knows nothing of Python."""

from __future__ import annotations

import contextlib
import logging
import traceback
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from drawzoo import Component, ConfigError
from drawzoo_export.graphs import BATCH, Graph

__all__ = ["quiet", "reason", "refused", "trace"]

EXAMPLES = 3
"""Drawings in the inputs that are traced: sizes 0 and 1 would be taken for constants."""

OWN = {"aten", "prim", "prims", "higher_order"}
"""The namespaces of the operators that every torch has."""


def trace(graph: Graph) -> ExportedProgram:
    """The program of a graph, for any number of drawings.

    The kernels of `drawzoo.ops` refuse tensors while torch exports, so that none is in a program.

    Raises:
        ConfigError: If a component does what cannot be exported.
    """
    inputs = tuple(
        graph.like.new_zeros([EXAMPLES if side == BATCH else int(side) for side in port.shape])
        for port in graph.inputs
    )
    program = _exported(graph, inputs)
    for module in program.graph_module.modules():
        if isinstance(module, GraphModule):
            for node in module.graph.nodes:
                # The paths of this machine are nobody's business.
                node.meta.pop("stack_trace", None)
    foreign = sorted(_operators(program))
    if foreign:
        raise refused(graph, f"the operator {foreign[0]} is not torch's own")
    return program


def _exported(graph: Graph, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    batch = Dim(BATCH, min=1)
    each = [{port.shape.index(BATCH): batch} for port in graph.inputs]
    # As `forward` takes the tensors: a first one, and a tuple of all others.
    sizes = (*each[:1], tuple(each[1:])) if len(each) > 1 else tuple(each)
    # The second way takes `len(x)` for a size that may change, the first for a constant; but it
    # knows less of Python.
    failures: list[Exception] = []
    for strict in (False, True):
        try:
            with quiet(), torch.no_grad():
                return torch.export.export(graph, inputs, dynamic_shapes=sizes, strict=strict)
        except Exception as error:  # torch's, or a component's
            failures.append(error)
    raise refused(graph, reason(failures[0]), by=_component(failures[0])) from failures[0]


def refused(graph: Graph, why: str, by: str = "") -> ConfigError:
    """The error for a model that cannot be exported."""
    whose = f" through {by}" if by else ""
    return ConfigError(
        f"{graph.of} cannot be exported{whose}: its {graph.name}: {why[:120]}; "
        "a component must be plain operations of torch whose course no value of a tensor decides"
    )


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def _component(error: Exception) -> str:
    """The class of the last component in the calls that failed."""
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        one = frame.f_locals.get("self")
        if isinstance(one, Component):
            found = type(one).__name__
    return found


def _operators(program: ExportedProgram) -> set[str]:
    """The operators in a program that not every torch has."""
    found = set()
    for module in program.graph_module.modules():
        if isinstance(module, GraphModule):
            for node in module.graph.nodes:
                namespace = getattr(node.target, "namespace", None)
                if isinstance(namespace, str) and namespace not in OWN:
                    found.add(str(node.target))
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, torch's exporters say nothing: what they have to say is in their errors."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
