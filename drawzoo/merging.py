"""A pass over compiled graphs: one product for a weight's gradients of all steps.

A weight that is used at each step of drawing has a gradient from each, and they are added up, which
takes as long as a third of such a product: more than a weight fits into a processor's caches.
`kernels.weight_gradient` takes all of them at once.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

from drawzoo import kernels

__all__ = ["MergedWeightGradients"]

GRADIENT = kernels.weight_gradient.operator


class MergedWeightGradients(CustomGraphPass):
    """Sums of gradients by `kernels.weight_gradient` become one call of it."""

    def __call__(self, graph: Graph) -> None:
        """Changes a graph in place."""
        waiting: dict[tuple[Node, ...], Node] = {}
        for gradient in graph.find_nodes(op="call_function", target=GRADIENT):
            while sums := _sums(gradient):
                if sums not in waiting:
                    waiting[sums] = gradient
                    break
                gradient = _merge(graph, waiting.pop(sums), gradient, sums)

    def uuid(self) -> Any:
        """For torch, which keeps compiled graphs, to know them from those of another pass."""
        return get_hash_for_files((__file__,))


def _sums(gradient: Node) -> tuple[Node, ...]:
    """Where those of weight and bias are added to others, if nothing else is done with them."""
    parts = sorted(gradient.users, key=lambda part: part.args[1])  # type: ignore[arg-type,return-value]
    users = [user for part in parts for user in part.users]
    added = all(user.target == torch.ops.aten.add.Tensor and not user.kwargs for user in users)
    return tuple(users) if added and len(parts) == len(users) == 2 else ()


def _merge(graph: Graph, one: Node, two: Node, sums: tuple[Node, ...]) -> Node:
    """The gradient of what both are, in place of sums of theirs; `two` is later in the graph."""
    with graph.inserting_after(two):
        arguments = [[*a, *b] for a, b in zip(one.args, two.args, strict=True)]  # type: ignore[misc]
        both = graph.call_function(GRADIENT, tuple(arguments))
    # Nothing else of theirs: it says how many tensors they took, too.
    both.meta["val"] = two.meta["val"]
    with graph.inserting_after(both):
        for index, total in enumerate(sums):
            part = graph.call_function(operator.getitem, (both, index))
            part.meta["val"] = total.meta["val"]
            total.replace_all_uses_with(part)
            graph.erase_node(total)
    for gradient in (one, two):
        for part in list(gradient.users):
            graph.erase_node(part)
        graph.erase_node(gradient)
    return both
