"""`drawzoo new-plugin`."""

from __future__ import annotations

from pathlib import Path

import click

_TEMPLATES = Path(__file__).parent.parent / "templates"
KINDS = (
    *("encoder", "reader", "writer", "latent", "decoder", "likelihood"),
    *("dataset", "model", "protocol", "optimizer", "command"),
)
LICENCES = ("MIT", "BSD-3-Clause", "Apache-2.0", "none")
_MODELS = {"dataset": "draw-{}", "protocol": "", "optimizer": "", "command": ""}
"""The names of the models that the kinds' plugins give; of all others, NAME-mnist."""


@click.command
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="encoder",
    show_default=True,
    help="What the plugin gives.",
)
@click.option(
    "--license",
    "licence",
    type=click.Choice(LICENCES),
    default="MIT",
    show_default=True,
    help="Under which others may use it.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Where to make its folder. [here]",
)
def command(name: str, kind: str, licence: str, to: Path) -> None:
    """Makes the package drawzoo-NAME: a plugin that works, with a model and a test.

    Install it, train its model, then replace what it does. docs/plugins.md says how an encoder
    is made, step by step.
    """
    import re
    import shutil
    import tempfile

    from drawzoo.errors import ConfigError, OutputError
    from drawzoo.schema.base import NAME

    # Python's names start with no digit, and those of distributions end with a letter or a digit.
    ends = name[:1].isdigit() or name.endswith(("-", "_"))
    if not re.fullmatch(NAME, name) or ends or name.startswith("drawzoo"):
        raise ConfigError(
            f"{name!r} cannot name a plugin: use lower-case letters, digits and -, as in wavelet; "
            "the package is then drawzoo-wavelet"
        )
    folder = to / f"drawzoo-{name}"
    if folder.exists():
        raise OutputError(f"{folder} is there already; choose another name or --to")
    if there := _in_use(name, kind):
        raise ConfigError(f"{name!r} is in use, by {there}; choose another name")
    package = files(name, kind, licence)
    # Whole or not at all.
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=to))
    try:
        for path, text in package.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    click.echo(folder)
    click.echo(f"next: pip install -e {folder}, and what its README.md says", err=True)


def _in_use(name: str, kind: str) -> str | None:
    """What has one of the plugin's names already."""
    import importlib.util

    from drawzoo.registry import COMMANDS
    from drawzoo.registry.loader import installed

    plugins, word = installed(), name.replace("-", "_")

    def given(one: str) -> set[str]:
        if one == "command":
            return {*COMMANDS, *plugins.commands}
        return {entry.name for entry in plugins.registry.entries(one)}

    model = _MODELS.get(kind, "{}-mnist").format(name)
    used = {
        f"the {kind} {name}": name in given(kind),
        f"the model {model}": model in given("model"),
    } | {
        f"the module {module}": importlib.util.find_spec(module) is not None
        for module in (f"drawzoo_{word}", f"drawzoo_{word}_{kind}")
    }
    return next((what for what, is_there in used.items() if is_there), None)


def files(name: str, kind: str, licence: str) -> dict[str, str]:
    """The package's files: path → text."""
    from string import Template

    word = name.replace("-", "_")
    module, part = f"drawzoo_{word}", f"drawzoo_{word}_{kind}"
    sources = {f"{module}.py": f"{kind}/plugin.py", f"test_{module}.py": f"{kind}/test.py"}
    modules = [module]
    if (_TEMPLATES / kind / "part.py.in").exists():
        sources[f"{part}.py"] = f"{kind}/part.py"
        modules.append(part)
    sources |= {
        "pyproject.toml": "common/pyproject.toml",
        "README.md": "common/README.md",
        ".github/workflows/test.yml": "common/test.yml",
    }
    words = {
        "name": name,
        "word": word,
        "Class": "".join(map(str.capitalize, word.split("_"))),
        "kind": kind,
        "A": "An" if kind[0] in "aeiou" else "A",
        "modules": ", ".join(f'"{one}"' for one in modules),
        "licence": "",
    }
    if licence != "none":
        sources["LICENSE"] = f"licences/{licence}"
        words["licence"] = f'license = "{licence}"\nlicense-files = ["LICENSE"]\n'

    def filled(template: str) -> str:
        text = (_TEMPLATES / f"{template}.in").read_text(encoding="utf-8")
        return Template(text).substitute(words)

    words["usage"] = filled(f"{kind}/usage.sh")
    return {path: filled(template) for path, template in sources.items()}
