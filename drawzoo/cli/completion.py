"""Completion by the Tab key: registered names, and how a shell is told to ask for them.

The shell calls drawzoo at each press of the key, so that nothing here imports torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import click
from click.shell_completion import CompletionItem

__all__ = ["SHELLS", "VARIABLE", "Registered", "asked", "switch_on"]

VARIABLE = "_DRAWZOO_COMPLETE"
"""What the shell sets where it asks for completions, as click names it."""

SHELLS = {
    "bash": ("~/.bashrc", f'eval "$({VARIABLE}=bash_source drawzoo)"'),
    "zsh": ("~/.zshrc", f'eval "$({VARIABLE}=zsh_source drawzoo)"'),
    "fish": ("~/.config/fish/config.fish", f"{VARIABLE}=fish_source drawzoo | source"),
}
"""Shell → its file of settings, and the line in it that switches completion on."""


def asked() -> bool:
    """Whether this process only answers a shell, on whose line nothing else may appear."""
    return VARIABLE in os.environ


def switch_on() -> tuple[str, str, str]:
    """The user's shell, its file of settings and the line for it; bash for any unknown shell."""
    name = Path(os.environ.get("SHELL", "")).name
    shell = name if name in SHELLS else "bash"
    return shell, *SHELLS[shell]


class Registered(click.types.StringParamType):
    """The name of something registered, which the shell completes; taken as it is.

    Arguments:
        kind: The kind, such as "model", "dataset" or "protocol".
        paths: What may be named in its place: a "file" or a "dir".
    """

    def __init__(self, kind: str, *, paths: Literal["file", "dir"] | None = None) -> None:
        self.name = kind
        self.paths = paths

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[Any]]:
        """The names that begin so, with their summaries, once each."""
        from drawzoo.registry.loader import registry

        found = {entry.name: entry.summary for entry in registry().entries(self.name)}
        names = [
            CompletionItem(name, help=summary or None)
            for name, summary in found.items()
            if name.startswith(incomplete)
        ]
        # In front: bash forgets what came before a file or a folder.
        paths = [CompletionItem(incomplete, type=self.paths)] if self.paths else []
        return paths + names
