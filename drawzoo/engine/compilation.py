"""When `torch.compile` is worthwhile, and what is compiled.

Compiling costs time once, and saves time on every image. Cost and saving grow alike with the number
T of steps of drawing, since the loop over the steps is unrolled; so the number of images alone
decides. torch keeps the results of compiling between runs (`TORCHINDUCTOR_CACHE_DIR`).
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch.utils.checkpoint import checkpoint

from drawzoo import ops
from drawzoo.engine.draw import Draw
from drawzoo.ops import merging
from drawzoo.ops.private import compiler_options, graph_pass
from drawzoo.schema.training import RunConfig

__all__ = ["Choice", "compile_sampling", "compile_training", "worthwhile"]

Choice = Literal["auto", "yes", "no"]

COST_S = 7.5
"""Seconds to compile one step of drawing, forward and backward, with T = 10 on two cores."""
SAVED_S = 53e-6
"""Seconds saved for each image and step of drawing, measured with `draw-mnist` in the same minutes:
on a faster machine cost and saving are less."""
MARGIN = 2.0
"""The saving must be this many times the cost: slower machines compile more slowly, too."""


UNCHECKED = {"size_asserts": False, "alignment_asserts": False}
"""The compiler's checks of every tensor in every step are off: the checks take 3 % of a step."""


def worthwhile(config: RunConfig, images: int) -> bool:
    """Whether compiling is worthwhile in a run over `images` training images: the rule of `auto`.

    The rule sees the whole run and not its present step, so that a resumed run is computed as the
    run was begun. Without a C++ compiler, compiling is never worthwhile.

    Example:
        >>> from drawzoo import ComponentConfig, ModelConfig
        >>> from drawzoo.schema.training import TrainingConfig
        >>> part = ComponentConfig(name="any")
        >>> model = ModelConfig(variant="any", reader=part, encoder=part, writer=part)
        >>> worthwhile(RunConfig(model, TrainingConfig(epochs=1)), 60_000)
        False
    """
    training = config.training
    steps = training.epochs * (images // training.batch_size)
    seen = min(steps, training.max_steps or steps) * training.batch_size
    return _has_compiler() and seen * SAVED_S > MARGIN * COST_S


def _has_compiler() -> bool:
    return any(map(shutil.which, filter(None, (os.environ.get("CXX"), "g++", "clang++"))))


def compile_training(model: Draw, device: torch.device) -> Callable[..., Any]:
    """`Draw.forward` compiled, all steps in one graph; on CUDA replayed as a CUDA graph.

    A model that recomputes is compiled in place, the steps between two states that are kept in one
    graph: of the whole graph, the compiler would keep what it likes.
    """
    if device.type == "cuda" and not model.recompute:
        return _replayed(torch.compile(model, mode="reduce-overhead"))
    options: dict[str, Any] = dict(UNCHECKED)
    if device.type == "cpu" and ops.multiply_best():
        options["post_grad_custom_pre_pass"] = graph_pass(
            merging.merge_weight_gradients, merging.__file__
        )
    options = compiler_options(options)
    if not model.recompute:
        return torch.compile(model, options=options)
    stretch = torch.compile(model.stretch, dynamic=False, options=options)
    recomputed = functools.partial(checkpoint, stretch, use_reentrant=False)
    # A module finds its own attributes before the class's.
    object.__setattr__(model, "recomputed", recomputed)
    return model


def _replayed(compiled: Callable[..., Any]) -> Callable[..., Any]:
    def replayed(*args: Any) -> Any:
        # The results of the step before are no longer needed: torch may reuse their memory.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return compiled(*args)

    return replayed


def compile_sampling(model: Draw) -> None:
    """Compiles the decoder with all its steps and writes, in place."""
    # A module finds its own attributes before the class's.
    object.__setattr__(model, "paint", torch.compile(model.paint, dynamic=False))
