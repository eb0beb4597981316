"""Checks of calls without memory, and of compiled calls."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from drawzoo.testing.bench import Bench
from drawzoo.testing.fault import Fault, reason
from drawzoo.testing.kind import Inputs
from drawzoo.testing.seeding import seeded
from drawzoo.testing.watching import Watching

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
        with torch.no_grad(), Watching() as watching:
            bench.kind.run(component, inputs)
            # What is no parameter and no buffer stays where it was made.
            bench.kind.run(bench.built().to("meta"), inputs)
        elsewhere = watching.meets
    except Exception as error:
        if "expected device" not in str(error):
            bench.fail(
                "looks at the values of tensors in a call",
                f"on the meta device: {reason(error)}",
                "no .item(), float(), .tolist(), .numpy(), x[x > 0] and no if or loop over values: "
                "use torch.where",
            )
        elsewhere = reason(error)
    if elsewhere:
        bench.fail(
            "makes tensors on another device than its inputs'",
            f"on the meta device: {elsewhere}",
            "make tensors from others (x.new_zeros(…)), or name device=x.device",
        )


def graph(bench: Bench) -> None:
    """One graph for the compiler."""
    component = bench.built()
    expected = bench.call(component, bench.given)
    torch.compiler.reset()

    def call(inputs: Inputs) -> Tensor:
        return bench.kind.run(component, inputs)

    try:
        # A cell over the rows of an image is torch's own, and compiled if one asks for it.
        recurrent = torch._dynamo.config.patch(allow_rnn=True)
        with warnings.catch_warnings(), torch.no_grad(), seeded(0), recurrent:
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
