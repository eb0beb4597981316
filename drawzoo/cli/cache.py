"""`drawzoo cache`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drawzoo.cli.options import cache_option, json_option

if TYPE_CHECKING:
    from drawzoo.cache import CachedModel

dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would be removed.")


@click.group
def command() -> None:
    """Shows and removes the models in the Hub's cache; nothing else in it is touched."""


@command.command
@cache_option
@json_option
def ls(cache_dir: Path | None, as_json: bool) -> None:
    """Lists the cached models."""
    from drawzoo.cache import cached_models
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.table import print_table

    models = cached_models(cache_dir)
    if as_json:
        print_json([model._asdict() for model in models], indent=2)
        return
    print_table(
        ["repository", "commit", "size", "model"],
        [[m.repository, m.commit, f"{m.bytes / 1e6:.1f} MB", m.model or ""] for m in models],
        drop=["commit"],
    )


@command.command
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@dry_run_option
@cache_option
def rm(models: tuple[str, ...], dry_run: bool, cache_dir: Path | None) -> None:
    """Removes models: names, or hf-hub:user/repo, or hf-hub:user/repo@commit."""
    from drawzoo.cache import cached_models, chosen

    _remove(chosen(cached_models(cache_dir), models), dry_run, cache_dir)


@command.command
@dry_run_option
@cache_option
def prune(dry_run: bool, cache_dir: Path | None) -> None:
    """Removes other versions of published models than this drawzoo uses, and broken downloads."""
    from drawzoo.cache import cached_models, outdated, remove_remains

    freed = 0 if dry_run else remove_remains(cache_dir)
    _remove(outdated(cached_models(cache_dir)), dry_run, cache_dir, freed)


def _remove(
    models: list[CachedModel], dry_run: bool, cache_dir: Path | None, freed: int = 0
) -> None:
    from drawzoo.cache import remove

    for model in models:
        click.echo(f"{model.repository}@{model.commit}")
    if dry_run:
        click.echo("nothing was removed (--dry-run)", err=True)
    else:
        click.echo(f"{freed + remove(models, cache_dir):,} bytes are free again", err=True)
