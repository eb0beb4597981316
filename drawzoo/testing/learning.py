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
    """A finite gradient for every parameter that learns, and for what others learn through."""
    component = bench.built()
    inputs = {name: t.clone() for name, t in bench.given.items()}
    through = [name for name in bench.kind.learns if bench.depends(component, name)]
    for name in through:
        inputs[name].requires_grad_()
    loss = _loss(bench, component, inputs)
    if loss is None:
        return
    learned = {k: p for k, p in component.named_parameters() if p.requires_grad}
    found = _backward(bench, loss, {**{k: inputs[k] for k in through}, **learned})
    for name, gradient in found.items():
        if gradient is None or not gradient.any():
            how = f"∂(Σ output²)/∂{name} is {'missing' if gradient is None else 'zero'}"
            if name in learned:
                bench.fail(
                    f"has a parameter that no gradient reaches: {name}",
                    how,
                    "use the parameter, without detach() or no_grad(), or do not make it",
                )
            bench.fail(
                f"lets no gradient through to {name}",
                how,
                "compute without detach(), no_grad(), .data, round() and argmax(): what gives it "
                "learns from it",
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
    for zeros in dict.fromkeys([(zero,), (zero, *bench.kind.blank)]):
        inputs = {name: t.clone() for name, t in bench.given.items()}
        for name in zeros:
            inputs[name].zero_()
        through = {zero, *bench.kind.learns, *bench.kind.blank} - {"x"}
        for name in through:
            inputs[name].requires_grad_()
        component = bench.built(perturbed=False)
        loss = _loss(bench, component, inputs)
        if loss is None:
            return
        wanted = {**{k: inputs[k] for k in sorted(through)}, **dict(component.named_parameters())}
        wanted = {k: t for k, t in wanted.items() if t.requires_grad}
        for name, gradient in _backward(bench, loss, wanted).items():
            if gradient is not None and not gradient.isfinite().all():
                bench.fail(
                    "has gradients that are not finite at the engine's first step, where "
                    f"{zero} is 0: of {name}",
                    f"new weights, and zeros for {' and '.join(zeros)}",
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
        if any(parameter.requires_grad for parameter in component.parameters()):
            bench.fail(
                "has parameters that no gradient reaches: the output has no gradient at all",
                bench.example(),
                "compute without detach(), no_grad() and .data",
            )
        for name in bench.kind.learns:
            if inputs[name].requires_grad:
                bench.fail(
                    f"lets no gradient through to {name}",
                    f"the output has no gradient at all for {name}",
                    "compute without detach(), no_grad() and .data: what gives it learns from it",
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
            for thing in _inside(value):
                if id(thing) not in known:
                    bench.fail(
                        f"has weights that are not saved: in {f'{path}.{name}'.lstrip('.')}",
                        f"a {type(thing).__name__} in a {type(value).__name__}"
                        if thing is not value
                        else "a tensor with a gradient that is no nn.Parameter",
                        "make weights an nn.Parameter, lists of them nn.ModuleList, nn.ModuleDict "
                        "or nn.ParameterList, and compute what follows from them in forward",
                    )


def _inside(value: Any) -> Iterator[nn.Module | Tensor]:
    """The modules and the tensors that learn in an attribute, in lists and dictionaries of it."""
    if isinstance(value, nn.Module) or (isinstance(value, Tensor) and value.requires_grad):
        yield value
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _inside(each)


def training(bench: Bench) -> None:
    """Two steps in training mode; what is random follows torch's seed."""
    learns = bench.kind.run(bench.built(), bench.given).requires_grad
    outs = []
    for other in (0, 1):
        component = bench.built().train()
        with (
            bench.blame("fails in training mode", "change nothing in place, keep no graph"),
            seeded(0, other),
        ):
            given = {name: t.clone() for name, t in bench.given.items()}
            bench.kind.inspect(component, given, f"{bench.who} in training mode")
            for _ in range(2):
                out = bench.kind.run(component, bench.given)
                if out.requires_grad:
                    torch.autograd.backward(out.square().sum())
        if [BATCH, *bench.kind.shape(component, bench.sizes)] != list(out.shape):
            bench.fail(
                f"gives the shape {list(out.shape)} in training mode, and another one otherwise",
                bench.example(),
                "give in training mode what you give in evaluation mode",
            )
        if not out.isfinite().all():
            bench.fail(
                "gives values that are not finite in training mode",
                bench.example(),
                "give in training mode what you give in evaluation mode",
            )
        if learns and not out.requires_grad:
            bench.fail(
                "lets no gradient through in training mode",
                "in evaluation mode its output has one",
                "compute without detach() and no_grad() where self.training is true",
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
