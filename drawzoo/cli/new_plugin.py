"""`drawzoo new-plugin`."""

from __future__ import annotations

from pathlib import Path

import click

_EXAMPLE = "gru"
_PACKAGE = Path(__file__).parent.parent
# In an installed package, and in a clone.
_EXAMPLES = (_PACKAGE / "example", _PACKAGE.parent / "examples" / f"drawzoo-{_EXAMPLE}")


@click.command
@click.argument("name")
@click.option(
    "--to",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Where to make its folder. [here]",
)
def command(name: str, to: Path) -> None:
    """Makes the package drawzoo-NAME: a plugin with an encoder, a model that uses it, and a test.

    It is the tutorial's finished plugin (docs/plugins.md) under your name: install it, train it,
    then replace what the encoder does.
    """
    import importlib.util
    import re
    import shutil
    import tempfile

    from drawzoo.errors import ConfigError, OutputError
    from drawzoo.registry.loader import registry
    from drawzoo.schema.base import NAME

    if not re.fullmatch(NAME, name) or name[0].isdigit() or name.startswith("drawzoo"):
        raise ConfigError(
            f"{name!r} cannot name a plugin: use lower-case letters, digits and -, as in wavelet; "
            "the package is then drawzoo-wavelet"
        )
    folder = to / f"drawzoo-{name}"
    if folder.exists():
        raise OutputError(f"{folder} is there already; choose another name or --to")
    word = name.replace("-", "_")
    used = {
        f"the encoder {name}": name in {e.name for e in registry().entries("encoder")},
        f"the model {name}-mnist": f"{name}-mnist" in {e.name for e in registry().entries("model")},
        f"the module drawzoo_{word}": importlib.util.find_spec(f"drawzoo_{word}") is not None,
    }
    if there := [what for what, is_there in used.items() if is_there]:
        raise ConfigError(f"{name!r} is in use, by {there[0]}; choose another name")
    renamed = {
        f"drawzoo-{_EXAMPLE}": f"drawzoo-{name}",
        f"drawzoo_{_EXAMPLE}": f"drawzoo_{word}",
        f"test_{_EXAMPLE}": f"test_{word}",
        f'"{_EXAMPLE}': f'"{name}',
        f"{_EXAMPLE} = ": f"{word} = ",
        f"{_EXAMPLE.upper()}Encoder": "".join(map(str.capitalize, word.split("_"))) + "Encoder",
    }
    pattern = re.compile("|".join(map(re.escape, renamed)))

    def rename(text: str) -> str:
        return pattern.sub(lambda match: renamed[match[0]], text)

    # Whole or not at all.
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=to))
    try:
        for file in next(filter(Path.is_dir, _EXAMPLES)).iterdir():
            if file.suffix in (".py", ".toml"):
                text = rename(file.read_text(encoding="utf-8"))
                (draft / rename(file.name)).write_text(text, encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    click.echo(folder)
    click.echo(f"next: pip install -e {folder} && drawzoo train {name}-mnist --out runs", err=True)
