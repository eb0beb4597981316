"""Every private name of torch that drawzoo uses, each with a substitute if torch loses the name.

A substitute costs time, never a result: kernels are used only if torch is known to be in a mode
that permits kernels, so without the name tensor operations do the work.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx import Graph

__all__ = [
    "compiler_options",
    "exporting",
    "graph_pass",
    "has_matrix_units",
    "hooked",
    "leaves",
    "map_tensors",
    "multiplies_bfloat16",
    "transformed",
]

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
PASSES = "torch._inductor.custom_graph_pass"
"""Imported when it is needed: the compiler takes a second."""


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


PYTREE = _module("torch.utils._pytree")


def exporting() -> bool:
    """Whether torch is exporting a program, which must not contain kernels."""
    # `is_exporting` of torch 2.11 is true of everything that is compiled.
    flag = getattr(torch.compiler, "_is_exporting_flag", None)
    return torch.compiler.is_exporting() if flag is None else bool(flag)


def transformed() -> bool:
    """Whether a transform of `torch.func` or forward-mode differentiation is under way."""
    active = getattr(torch._C, "_are_functorch_transforms_active", None)
    level = getattr(forward_ad, "_current_level", None)
    return active is None or level is None or active() or level >= 0


def hooked(module: nn.Module) -> bool:
    """Whether a call of a module does more than its `forward`."""
    return any([getattr(module, name, True) for name in HOOKS])  # noqa: C419 (for the compiler)


def multiplies_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and bool(supported())


def has_matrix_units() -> bool:
    """Whether this processor has units for products of matrices in bfloat16; yes if unknown."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return supported is None or bool(supported())


def map_tensors(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """A tree of tuples, lists, dictionaries and whatever torch knows, its tensors replaced.

    Without the private name only tuples, lists and dictionaries are trees.
    """
    if PYTREE is not None:
        return PYTREE.tree_map_only(Tensor, function, tree)
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return type(tree)((key, map_tensors(function, part)) for key, part in tree.items())
    if isinstance(tree, tuple | list):
        parts = [map_tensors(function, part) for part in tree]
        return tree._make(parts) if hasattr(tree, "_make") else type(tree)(parts)
    return tree


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves of a tree: tensors, and everything else that is no tree."""
    if PYTREE is not None:
        yield from PYTREE.tree_leaves(tree)
    elif isinstance(tree, dict | tuple | list):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(part)
    else:
        yield tree


def graph_pass(change: Callable[[Graph], None], file: str) -> Any:
    """A pass of the compiler that changes graphs in place, or None where the compiler takes none.

    Arguments:
        change: What is done to each graph.
        file: The source of `change`; compiled graphs that torch keeps stay valid while the file is
            unchanged.
    """
    passes = _module(PASSES)
    if passes is None:
        return None
    members = {
        "__call__": lambda self, graph: change(graph),
        "uuid": lambda self: passes.get_hash_for_files((file,)),
    }
    return type("Pass", (passes.CustomGraphPass,), members)()


def compiler_options(wanted: dict[str, Any]) -> dict[str, Any]:
    """The wanted options of the compiler, by name, that this torch has."""
    inductor = _module("torch._inductor")
    known = inductor.list_options() if inductor is not None else []
    return {name: value for name, value in wanted.items() if name in known}
