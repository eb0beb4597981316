"""Checks of what a component computes."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import torch
from torch import Tensor

from drawzoo.testing.bench import Bench
from drawzoo.testing.fault import Fault
from drawzoo.testing.forms import same
from drawzoo.testing.kind import BATCH, Inputs
from drawzoo.testing.seeding import seeded
from drawzoo.testing.surroundings import check_unseeded
from drawzoo.testing.watching import Watching

__all__ = [
    "batch",
    "double",
    "finite",
    "form",
    "interleaved",
    "same_each_time",
    "seeds_nothing",
    "uses",
]


def form(bench: Bench) -> None:
    """Shapes and types; nothing given is changed in place."""
    component = bench.built()
    with bench.blame(
        f"fails on images of shape {list(bench.sizes.image)}",
        "see the exception above; height and width differ here, and there may be 3 channels",
    ):
        shape = bench.kind.shape(component, bench.sizes)
        if not all(isinstance(side, int) for side in shape):
            bench.fail(
                "does not say its out_features",
                f"out_features is {shape[0]!r}",
                "set self.out_features to a whole number in __init__",
            )
        before = {k: v.clone() for k, v in component.state_dict().items()}
        with torch.no_grad(), seeded(0):
            try:
                bench.kind.inspect(component, _clone(bench.given), bench.who)
            except Fault:
                _blame_memory(bench)
                raise
            out = bench.kind.run(component, _clone(bench.given))
        if not isinstance(out, Tensor):
            bench.fail("gives no tensor", f"a {type(out).__name__}", "return a tensor [B, …]")
        expected = [BATCH, *shape]
        if list(out.shape) != expected:
            turned = list(out.shape) == [*expected[:-2], *expected[:-3:-1]]
            bench.fail(
                f"gives the shape {list(out.shape)}, expected {expected}",
                bench.example(),
                "height comes before width"
                if turned
                else "give what out_features or the canvas says",
            )
        if out.dtype != torch.float32:
            bench.fail(f"gives {out.dtype} for torch.float32", bench.example(), "keep the type")
    after = component.state_dict()
    if made := sorted(after.keys() - before.keys()):
        bench.fail(
            f"makes weights when it is called: {made[0]}",
            "they are not there when stored weights are loaded and an optimiser is made",
            "make all parameters and buffers in __init__",
        )
    changed = [k for k, v in before.items() if not same(v, after[k])]
    if changed:
        bench.fail(
            f"changes its own weights when it is called: {changed[0]}",
            "in evaluation mode, without gradients",
            "compute new tensors; what must be remembered from step to step is the state",
        )


def _blame_memory(bench: Bench) -> None:
    """Parts that do not agree may do so because a call remembers another: the cause, then."""
    for check in (same_each_time, interleaved):
        try:
            check(bench)
        except Fault:
            raise
        except Exception:
            return


def seeds_nothing(bench: Bench) -> None:
    """Random numbers are everybody's."""

    def build() -> Any:
        return bench.component(bench.config, bench.sizes)

    check_unseeded(bench.who, "when it is built", build)
    component = bench.built()
    with torch.no_grad():
        check_unseeded(
            bench.who, "when it is called", lambda: bench.kind.run(component, bench.given)
        )


def same_each_time(bench: Bench) -> None:
    """No randomness of its own, and no memory but its state."""
    component = bench.built()
    first = bench.call(component, bench.given)
    if not same(first, bench.call(bench.built(), bench.given, seed=1)):
        bench.fail(
            "draws random numbers of its own in evaluation mode",
            "two new instances with the same weights and inputs give different results",
            "draw nothing; the engine samples z, and dropout is nn.Dropout, off in evaluation",
        )
    with bench.blame(
        "keeps hidden state between calls: the second call fails",
        "keep what must be remembered in the state, not in attributes",
    ):
        again = bench.call(component, bench.given)
        other = bench.call(component, bench.others)
    if not same(first, again) or not same(other, bench.call(bench.built(), bench.others)):
        bench.fail(
            "keeps hidden state between calls",
            "the same inputs give other results after a call than before",
            "keep what must be remembered in the state, not in attributes; no counters, caches "
            "and generators",
        )


def interleaved(bench: Bench) -> None:
    """Two batches in turns, as the engine may call: each by its own context and state."""
    component = bench.built()
    expected = [bench.call(component, inputs) for inputs in (bench.given, bench.others)]
    with (
        bench.blame("keeps hidden state between its calls", "hand it on in context or state"),
        torch.no_grad(),
        seeded(0),
    ):
        pair = [bench.kind.turns(component, inputs) for inputs in (bench.given, bench.others)]
        *_, found = zip(*pair, strict=True)
    if not all(map(same, expected, found)):
        bench.fail(
            "keeps hidden state between its calls",
            "two batches that are computed in turns, call by call, influence each other",
            "hand on what later calls need in the context or the state, not in attributes; a prior "
            "must not know of the posterior",
        )


def batch(bench: Bench) -> None:
    """Each image by itself."""
    component = bench.built()
    whole = bench.call(component, bench.given)
    # A pair first, because statistics of one image often cannot be computed at all.
    for size in (2, 1):
        with bench.blame(
            f"fails on a batch of {size} images" if size > 1 else "fails on a batch of one image",
            "take the batch from the inputs' shape",
        ):
            parts = [
                bench.call(component, {k: t[i : i + size] for k, t in bench.given.items()})
                for i in range(0, BATCH, size)
                if size == 1 or i + size <= BATCH
            ]
        found = torch.cat(parts)
        expected = whole[: len(found)]
        if found.shape != expected.shape or not torch.allclose(
            found, expected, rtol=1e-3, atol=1e-4, equal_nan=True
        ):
            bench.fail(
                "lets the images of a batch influence each other",
                f"{BATCH} images give other results than {size} of them",
                "compute along the other dimensions than the first; batch norm keeps statistics",
            )


def finite(bench: Bench) -> None:
    """Numbers for ordinary, zero and large inputs."""
    component = bench.built()
    for what, inputs in (
        ("ordinary", bench.given),
        ("zero", {k: torch.zeros_like(t) for k, t in bench.given.items()}),
        ("large", {k: t * bench.kind.large.get(k, 1) for k, t in bench.given.items()}),
    ):
        if not bench.call(component, inputs).isfinite().all():
            bench.fail(
                f"gives values that are not finite for {what} inputs",
                ", ".join(
                    f"{name} from {t.min():.3g} to {t.max():.3g}" for name, t in inputs.items()
                ),
                "bound what goes into exp, add ε under roots and to denominators, use "
                "torch.softmax and logsumexp",
            )


def double(bench: Bench) -> None:
    """No float32 between float64 inputs and the results."""
    what = "does not keep float64 throughout"
    do = "make tensors from others (x.new_zeros(…)), or name dtype=x.dtype; keep buffers as such"
    # Numbers that float32 has not, but for 0 and 1: a cast to it is seen.
    inputs = {
        k: torch.where(t == t.round(), t.double(), t.double() * (1 - 1e-9))
        for k, t in bench.given.items()
    }
    with bench.blame(what, do), torch.no_grad(), seeded(0):
        component = bench.built().double()
        with Watching() as watching:
            out = bench.kind.run(component, inputs)
        bench.kind.inspect(component, inputs, bench.who)
    if out.dtype != torch.float64:
        bench.fail(what, f"{out.dtype} comes from inputs of torch.float64", do)
    try:
        torch.set_default_dtype(torch.float64)
        with torch.no_grad(), seeded(0):
            other = bench.kind.run(component, inputs)
    finally:
        torch.set_default_dtype(torch.float32)
    if not torch.allclose(out, other, rtol=1e-11, atol=1e-11):
        bench.fail(
            what, f"constants of float32: they are off by up to {(out - other).abs().max():.1g}", do
        )
    if watching.rounds:
        bench.fail(what, watching.rounds, do)


def uses(bench: Bench) -> None:
    """Dependence on what the component has weights for, and on the image."""
    component = bench.built()
    out = bench.call(component, bench.given)
    if not out.numel():
        return

    depends = partial(bench.depends, component)
    do = "feed it to the network; or make no weights for it"
    for name, field in bench.kind.sized.items():
        if _shapes(bench, field) != _shapes(bench) and not depends(name):
            bench.fail(
                f"ignores {_its(name)}",
                f"its weights grow with sizes.{field.removesuffix('_shape')}, but {name} changes "
                "nothing",
                do,
            )
    if fault := bench.kind.sees(depends):
        bench.fail(fault, "other values change nothing in what it gives", do)
    for channel in range(bench.sizes.image[0] if bench.kind.pictures else 0):
        changed = _clone(bench.given)
        for name in bench.kind.pictures:
            changed[name][:, channel] = bench.others[name][:, channel]
        if torch.equal(bench.call(component, changed), out):
            bench.fail(
                f"ignores channel {channel} of {' and '.join(bench.kind.pictures)}",
                "other values there change nothing in what it gives",
                "read all channels: sizes.image[0] says how many there are",
            )


def _shapes(bench: Bench, larger: str | None = None) -> list[tuple[int, ...]]:
    """The shapes of all tensors; optionally for one more feature in a field of `Sizes`."""
    sizes = bench.sizes
    if larger:
        first, *others = getattr(sizes, larger)
        sizes = msgspec.structs.replace(sizes, **{larger: (first + 1, *others)})
    with bench.blame("cannot be built for other sizes", "use sizes", repr(sizes)), seeded(0):
        return [tuple(t.shape) for t in bench.component(bench.config, sizes).state_dict().values()]


def _clone(inputs: Inputs) -> Inputs:
    return {name: tensor.clone() for name, tensor in inputs.items()}


def _its(name: str) -> str:
    return "its glimpse" if name == "glimpse" else name
