"""Training: configuration, optimisers, checkpoints, the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo.registry.hookspecs import hookimpl

if TYPE_CHECKING:
    from drawzoo.registry.registry import Registrar


@hookimpl
def register_optimizers(register: Registrar) -> None:
    """Gives the optimisers of the core."""
    at = "drawzoo.training.optimizers"
    register("adam", f"{at}:adam", summary="Adam")
    register("adamw", f"{at}:adamw", summary="Adam with decoupled weight decay")
    register("muon", f"{at}:muon", summary="orthogonal momentum for matrices, Adam for the rest")
