"""Checks of calls without memory, and of compiled calls."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from drawzoo.testing.bench import Bench
from drawzoo.testing.fault import Fault, reason
from drawzoo.testing.kind import Inputs
from drawzoo.testing.seeding import seeded

__all__ = ["graph", "meta"]


def meta(bench: Bench) -> None:
    """One call without memory."""
    inputs = {k: t.to("meta") for k, t in bench.given.items()}
    try:
        with torch.device("meta"):
            component = bench.built(perturbed=False)
    except Fault as error:
        raise Fault(
            bench.who,
            f"cannot be built on the meta device: {reason(error.__cause__ or error)}",
            "the engine builds each model there first, to see its size",
            "look at no tensor's values in __init__",
        ) from error
    try:
        with torch.no_grad():
            bench.kind.run(component, inputs)
            # What is no parameter and no buffer stays where it was made.
            bench.kind.run(bench.built().to("meta"), inputs)
    except Exception as error:
        looks = any(word in str(error) for word in ("item()", "no data", "local_scalar"))
        bench.fail(
            "looks at the values of tensors in a call"
            if looks
            else "makes tensors on another device than its inputs'",
            f"on the meta device: {reason(error)}",
            "no .item(), float(), .tolist(), .numpy() and no if or loop over values: use "
            "torch.where"
            if looks
            else "make tensors from others (x.new_zeros(…)), or name device=x.device",
        )


def graph(bench: Bench) -> None:
    """One graph for the compiler."""
    component = bench.built()
    expected = bench.call(component, bench.given)
    torch.compiler.reset()

    def call(inputs: Inputs) -> Tensor:
        return bench.kind.run(component, inputs)

    try:
        with warnings.catch_warnings(), torch.no_grad(), seeded(0):
            warnings.simplefilter("ignore")
            out = torch.compile(call, backend="eager", fullgraph=True)(bench.given)
    except Exception as error:
        bench.fail(
            "cannot be compiled as one graph",
            f"torch.compile(fullgraph=True): {reason(error)}",
            "no .item() and .numpy(), no print, no if over values of tensors, no outside calls",
        )
    finally:
        torch.compiler.reset()
    if not torch.allclose(out, expected, rtol=1e-3, atol=1e-4):
        bench.fail(
            "gives other results when compiled",
            'torch.compile(backend="eager")',
            "read nothing from outside that changes between calls",
        )
