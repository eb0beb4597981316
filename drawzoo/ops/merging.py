"""A pass over compiled graphs: one product for a weight's gradients of all steps.

A weight that is used at each step of drawing has a gradient from each step. Adding a gradient takes
a third of the time of its product, because a weight exceeds a processor's caches, and a small
product takes longer to call than to compute. `ops.weight_gradient` computes the sum over all steps
at once, for any component's weight.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import Graph, Node

from drawzoo import ops

__all__ = ["merge_weight_gradients"]

GRADIENT = ops.weight_gradient.operator
ADD, MM, PERMUTE = (
    torch.ops.aten.add.Tensor,
    torch.ops.aten.mm.default,
    torch.ops.aten.permute.default,
)


def merge_weight_gradients(graph: Graph) -> None:
    """Makes sums of gradients of one weight one call of `ops.weight_gradient`, in place."""
    for product in graph.find_nodes(op="call_function", target=MM):
        if _is_gradient(product):
            _translate(graph, product)
    waiting: dict[Any, Node] = {}
    for gradient in graph.find_nodes(op="call_function", target=GRADIENT):
        while sums := _sums(gradient):
            # As text, since sizes may be symbols.
            key = sums, str([matrices[0].meta["val"].shape for matrices in gradient.args])
            if key not in waiting:
                waiting[key] = gradient
                break
            gradient = _merge(graph, waiting.pop(key), gradient, sums)


def _is_gradient(product: Node) -> bool:
    """Whether a product is dᵀ x, of float32 matrices on the CPU, and is added to something."""
    left, value = product.args[0], product.meta["val"]
    plain = value.dtype == torch.float32 and value.device.type == "cpu"
    added = len(product.users) == 1 and all(user.target == ADD for user in product.users)
    turned = isinstance(left, Node) and left.target == PERMUTE and left.args[1] == [1, 0]
    return bool(plain and added and turned)


def _translate(graph: Graph, product: Node) -> None:
    """Puts a call of `ops.weight_gradient` in place of a product dᵀ x."""
    (left, right), value = product.args, product.meta["val"]
    with graph.inserting_before(product):
        gradient = graph.call_function(GRADIENT, ([left.args[0]], [right]))  # type: ignore[union-attr]
        weight = graph.call_function(operator.getitem, (gradient, 0))
    gradient.meta["val"], weight.meta["val"] = (value, value.new_empty(value.shape[0])), value
    product.replace_all_uses_with(weight)
    graph.erase_node(product)


def _sums(gradient: Node) -> tuple[Node, ...]:
    """The additions that consume this gradient, or () if it has other uses."""
    users = [user for part in _parts(gradient) for user in part.users]
    added = all(user.target == ADD and not user.kwargs for user in users)
    return tuple(users) if added and len(gradient.users) == len(users) else ()


def _parts(gradient: Node) -> list[Node]:
    """The parts of a gradient that are used: the weight's, then the bias's."""
    return sorted(gradient.users, key=lambda part: part.args[1])  # type: ignore[arg-type,return-value]


def _merge(graph: Graph, one: Node, two: Node, sums: tuple[Node, ...]) -> Node:
    """One gradient in place of `one`, `two` and their sums; `two` is later in the graph."""
    with graph.inserting_after(two):
        arguments = [[*a, *b] for a, b in zip(one.args, two.args, strict=True)]  # type: ignore[misc]
        both = graph.call_function(GRADIENT, tuple(arguments))
    # Copy only `val`: other metadata records the argument count, which changed.
    both.meta["val"] = two.meta["val"]
    for part, total in zip(_parts(two), sums, strict=True):
        with graph.inserting_after(both):
            whole = graph.call_function(operator.getitem, (both, part.args[1]))
        whole.meta["val"] = part.meta["val"]
        total.replace_all_uses_with(whole)
        graph.erase_node(total)
    for gradient in (one, two):
        for part in list(gradient.users):
            graph.erase_node(part)
        graph.erase_node(gradient)
    return both
