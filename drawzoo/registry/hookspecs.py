"""The hooks of drawzoo: what a plugin may give. All collect; none depends on order.

A plugin is a module or object with functions marked `@drawzoo.hookimpl` and named as below,
announced as an entry point of the group `drawzoo`. Hooks are called once, at start-up, and never
inside a model. Never give a hook's argument a default value: pluggy 1.6 would not pass it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from drawzoo.registry.registry import Registrar

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("drawzoo")
hookimpl = pluggy.HookimplMarker("drawzoo")
"""Marks a function of a plugin as a hook: `@drawzoo.hookimpl`."""


@hookspec
def register_encoders(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Encoder` class."""


@hookspec
def register_readers(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Reader` class."""


@hookspec
def register_writers(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Writer` class."""


@hookspec
def register_latents(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Latent` class."""


@hookspec
def register_decoders(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Decoder` class."""


@hookspec
def register_likelihoods(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Likelihood` class."""


@hookspec
def register_models(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.ModelConfig`; keep it torch-free."""


@hookspec
def register_datasets(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Dataset`."""


@hookspec
def register_protocols(register: Registrar) -> None:
    """`register(name, target, summary="…")` for each `drawzoo.Protocol` class."""


@hookspec
def register_optimizers(register: Registrar) -> None:
    """`register(name, target, summary="…")`: a `drawzoo.MakeOptimizers`."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Adds sub-commands to the command line; import heavy modules inside the command."""
