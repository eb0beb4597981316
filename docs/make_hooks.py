"""Writes docs/hooks.md, the reference of the hooks, from the hookspecs and the plugins' templates.

python docs/make_hooks.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

from drawzoo.cli.new_plugin import KINDS, files
from drawzoo.registry import hookspecs
from drawzoo.registry.loader import GROUP

PAGE = Path(__file__).parent / "hooks.md"
NAME = "wavelet"
HEAD = f"""# The hooks

What a plugin can give, hook by hook. `python docs/make_hooks.py` makes this page from the hooks
themselves and from what `drawzoo new-plugin {NAME} --kind …` makes, which the tests run. Each is a
tutorial as it stands: make the package, install it, test it, use it, and then change it.
[Write a plugin in ten minutes](plugins.md) goes through one of them.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    specs = {
        name.removeprefix("register_").removesuffix("s"): hook
        for name, hook in vars(hookspecs).items()
        if hasattr(hook, f"{GROUP}_spec")
    }
    if specs.keys() != set(KINDS):
        raise SystemExit("a hook has no template of its kind, or a template no hook")
    for kind in KINDS:
        hook = specs[kind]
        arguments = ", ".join(inspect.signature(hook).parameters)
        parts.append(f"## `{hook.__name__}({arguments})`\n\n{inspect.getdoc(hook)}\n")
        parts.append(f"```sh\ndrawzoo new-plugin {NAME} --kind {kind}\n```\n")
        made = files(NAME, kind, "none")
        for path, text in made.items():
            if path.endswith(".py"):
                parts.append(f"`{path}`:\n\n```python\n{text}```\n")
        usage = made["README.md"].partition("```sh\n")[2].partition("```")[0]
        parts.append(f"In its folder, `drawzoo-{NAME}`:\n\n```sh\n{usage}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
