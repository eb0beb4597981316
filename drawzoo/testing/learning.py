"""Checks of gradients, of training mode, and of weights that are stored and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from drawzoo.engine.components import Component
from drawzoo.testing.bench import Bench
from drawzoo.testing.forms import same
from drawzoo.testing.kind import BATCH, Inputs
from drawzoo.testing.seeding import seeded

__all__ = ["differing", "first_step", "gradients", "registered", "saving", "training"]


def gradients(bench: Bench) -> None:
    """A finite gradient for every parameter that learns."""
    component = bench.built()
    loss = _loss(bench, component, bench.given)
    if loss is None:
        return
    learned = {k: p for k, p in component.named_parameters() if p.requires_grad}
    gradients = _backward(bench, loss, learned)
    for name, gradient in gradients.items():
        if gradient is None or not gradient.any():
            bench.fail(
                f"has a parameter that no gradient reaches: {name}",
                f"∂(Σ output²)/∂{name} is {'missing' if gradient is None else 'zero'}",
                "use the parameter, without detach() or no_grad(), or do not make it",
            )
        if not gradient.isfinite().all():
            bench.fail(
                f"has a gradient that is not finite: of {name}",
                bench.example(),
                "bound what goes into exp; add ε under roots and to denominators",
            )


def first_step(bench: Bench) -> None:
    """Gradients where the engine starts: new weights, h_dec or the canvas 0, and a blank image."""
    zero = bench.kind.zero
    for blank in (False, True):
        inputs = {
            k: torch.zeros_like(t) if k == zero or (k == "x" and blank) else t.clone()
            for k, t in bench.given.items()
        }
        through = {zero, *bench.kind.learns}
        for name in through:
            inputs[name].requires_grad_()
        component = bench.built(perturbed=False)
        loss = _loss(bench, component, inputs)
        if loss is None:
            return
        wanted = {**{k: inputs[k] for k in sorted(through)}, **dict(component.named_parameters())}
        wanted = {k: t for k, t in wanted.items() if t.requires_grad}
        for name, gradient in _backward(bench, loss, wanted).items():
            if gradient is None and name in bench.kind.learns:
                bench.fail(
                    f"lets no gradient through to {name}",
                    f"∂(Σ output²)/∂{name} is missing",
                    "compute without detach(), no_grad() and .data: what gives it learns from it",
                )
            if gradient is not None and not gradient.isfinite().all():
                bench.fail(
                    "has gradients that are not finite at the engine's first step, where "
                    f"{zero} is 0: of {name}",
                    f"new weights, {zero} = 0{', x = 0' if blank else ''}",
                    "add ε under roots and to denominators: √0, |0| and 0/0 have no derivative",
                )


def _loss(bench: Bench, component: Component, inputs: Inputs) -> Tensor | None:
    """Something to differentiate, if anything learns."""
    with (
        bench.blame("fails when gradients are asked for", "change nothing in place"),
        seeded(0),
    ):
        loss = bench.kind.run(component, inputs).square().sum()
        if (extra := bench.kind.extra(component, inputs, bench.who)) is not None:
            loss = loss + extra.sum()
    if not loss.requires_grad:
        for name in bench.kind.learns:
            if inputs[name].requires_grad:
                bench.fail(
                    f"lets no gradient through to {name}",
                    f"the output has no gradient at all for {name}",
                    "compute without detach(), no_grad() and .data: what gives it learns from it",
                )
        if any(parameter.requires_grad for parameter in component.parameters()):
            bench.fail(
                "has parameters that no gradient reaches: the output has no gradient at all",
                bench.example(),
                "compute without detach(), no_grad() and .data",
            )
        return None
    return loss


def _backward(bench: Bench, loss: Tensor, of: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    with bench.blame("has no gradients", "change nothing in place that is needed backwards"):
        if not of:
            return {}
        values = torch.autograd.grad(loss, list(of.values()), allow_unused=True)
        return dict(zip(of, values, strict=True))


def saving(bench: Bench) -> None:
    """Weights that another instance, made from another seed, loads give the same results."""
    first, second = bench.built(), bench.built(seed=1)
    out = bench.call(first, bench.given)
    with bench.blame(
        "does not survive saving: its weights cannot be stored",
        "give each tensor memory of its own (no tied weights in two places), and make all "
        "parameters in __init__",
    ):
        raw = save({k: t.contiguous() for k, t in first.state_dict().items()})
    with bench.blame(
        "does not survive saving: a second instance does not take its weights",
        "make all parameters and buffers in __init__, the same for the same configuration",
    ):
        second.load_state_dict(load(raw))
    if not torch.allclose(bench.call(second, bench.given), out, rtol=1e-4, atol=1e-6):
        names = differing(first, second)
        bench.fail(
            "does not survive saving: a second instance with the same weights gives other "
            f"results{', for ' + ', '.join(names[:3]) + ' is not saved' if names else ''}",
            "weights of an instance from seed 0 in an instance from seed 1",
            "make what is random a parameter or register_buffer(name, tensor) (persistent), "
            "and compute what follows from weights in forward",
        )


def registered(bench: Bench) -> None:
    """No weights in lists and dictionaries, where neither saving nor training finds them."""
    component = bench.built()
    known = {id(part) for part in (*component.modules(), *component.parameters())}
    for path, part in component.named_modules():
        for name, blocks in getattr(part, "matrix_blocks", {}).items():
            matrix = dict(part.named_parameters()).get(name)
            if matrix is None or matrix.dim() < 2 or len(matrix) % blocks:
                bench.fail(
                    f"declares matrix_blocks that it has not: {f'{path}.{name}'.lstrip('.')}",
                    f"{blocks} blocks of "
                    + ("no parameter" if matrix is None else f"shape {list(matrix.shape)}"),
                    "name a matrix, and the number of matrices that lie one below the other in it",
                )
        for name, value in vars(part).items():
            if isinstance(value, Tensor) and value.requires_grad:
                bench.fail(
                    f"has weights that are not saved: in {f'{path}.{name}'.lstrip('.')}",
                    "a tensor that is computed from parameters in __init__",
                    "make it an nn.Parameter, and compute what follows from it in forward",
                )
            if name.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            inside = value.values() if isinstance(value, dict) else value
            if any(isinstance(x, nn.Module | nn.Parameter) and id(x) not in known for x in inside):
                bench.fail(
                    f"has weights that are not saved: in {f'{path}.{name}'.lstrip('.')}",
                    f"a {type(value).__name__} of modules or parameters",
                    "use nn.ModuleList, nn.ModuleDict or nn.ParameterList",
                )


def training(bench: Bench) -> None:
    """Two steps in training mode; what is random follows torch's seed."""
    outs = []
    for other in (0, 1):
        component = bench.built().train()
        with (
            bench.blame("fails in training mode", "change nothing in place, keep no graph"),
            seeded(0, other),
        ):
            for _ in range(2):
                out = bench.kind.run(component, bench.given)
                if out.requires_grad:
                    torch.autograd.backward(out.square().sum())
        if list(out.shape[:1]) != [BATCH] or not out.isfinite().all():
            bench.fail(
                "gives other shapes or values that are not finite in training mode",
                f"shape {list(out.shape)}",
                "give in training mode what you give in evaluation mode",
            )
        outs.append(out.detach())
    if not same(*outs):
        bench.fail(
            "draws random numbers from elsewhere than torch in training mode",
            "the same torch.manual_seed gives different results",
            "draw with torch (torch.rand_like, nn.Dropout): a run is then repeated exactly",
        )


def differing(first: nn.Module, second: nn.Module) -> list[str]:
    """The tensors outside the weights in which two instances differ."""
    return [
        name for name, value in _unsaved(first) if _differs(value, dict(_unsaved(second)).get(name))
    ]


def _unsaved(module: nn.Module) -> Iterator[tuple[str, Any]]:
    saved = module.state_dict().keys()
    yield from ((name, buffer) for name, buffer in module.named_buffers() if name not in saved)
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor | np.ndarray | int | float):
                yield f"{path}.{name}".lstrip("."), value


def _differs(a: Any, b: Any) -> bool:
    a, b = torch.as_tensor(a), torch.as_tensor(0 if b is None else b)
    return not same(a, b)
