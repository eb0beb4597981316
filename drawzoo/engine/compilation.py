"""When `torch.compile` pays, and what is compiled.

Compiling costs time once, and saves some on every image. Both grow with the number T of steps of
drawing, since the loop over them is unrolled; so whether it pays depends on the number of images
alone. The results of compiling are kept by torch between runs (`TORCHINDUCTOR_CACHE_DIR`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any, Literal

import torch

from drawzoo import ops
from drawzoo.engine.draw import Draw
from drawzoo.ops import merging
from drawzoo.ops.private import compiler_options, graph_pass
from drawzoo.schema.training import RunConfig

__all__ = ["Choice", "compile_sampling", "compile_training", "pays"]

Choice = Literal["auto", "yes", "no"]

COST_S = 7.5
"""Seconds to compile one step of drawing, both passes, measured with T = 10 on two cores."""
SAVED_S = 53e-6
"""Seconds saved for each image and step of drawing, measured with `draw-mnist` in the same minutes:
on a faster machine both are less."""
MARGIN = 2.0
"""It must save this many times what it costs: slower machines compile more slowly, too."""


UNCHECKED = {"size_asserts": False, "alignment_asserts": False}
"""Without the compiler's checks of every tensor in every step, which take 3 % of it."""


def pays(config: RunConfig, images: int) -> bool:
    """Whether compiling pays in a run over `images` training images: the rule of `auto`.

    It depends on the run as a whole and not on where it stands, so that a run that is resumed is
    computed as it was begun. Without a C++ compiler it never does.

    Example:
        >>> from drawzoo import ComponentConfig, ModelConfig
        >>> from drawzoo.schema.training import TrainingConfig
        >>> part = ComponentConfig(name="any")
        >>> model = ModelConfig(variant="any", reader=part, encoder=part, writer=part)
        >>> pays(RunConfig(model, TrainingConfig(epochs=1)), 60_000)
        False
    """
    training = config.training
    steps = training.epochs * (images // training.batch_size)
    seen = min(steps, training.max_steps or steps) * training.batch_size
    return _has_compiler() and seen * SAVED_S > MARGIN * COST_S


def _has_compiler() -> bool:
    return any(map(shutil.which, filter(None, (os.environ.get("CXX"), "g++", "clang++"))))


def compile_training(model: Draw, device: torch.device) -> Callable[..., Any]:
    """`Draw.forward` compiled, all steps in one graph; on CUDA replayed as a CUDA graph."""
    if device.type != "cuda":
        options: dict[str, Any] = dict(UNCHECKED)
        if ops.multiply_best():
            options["post_grad_custom_pre_pass"] = graph_pass(
                merging.merge_weight_gradients, merging.__file__
            )
        return torch.compile(model, options=compiler_options(options))
    compiled = torch.compile(model, mode="reduce-overhead")

    def replayed(*args: Any) -> Any:
        # What the step before has given is no longer needed: its memory is used again.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return compiled(*args)

    return replayed


def compile_sampling(model: Draw) -> None:
    """Compiles the decoder with all its steps and writes, in place."""
    # A module's own attributes go before its class's.
    object.__setattr__(model, "paint", torch.compile(model.paint, dynamic=False))
