"""`drawzoo pull`."""

from __future__ import annotations

import click

from drawzoo.cli.options import json_option


@click.command
@click.argument("models", nargs=-1, metavar="MODEL...")
@click.option("--all", "everything", is_flag=True, help="All models that have weights.")
@json_option
def command(models: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Brings models into the cache, every file checked against its SHA-256."""
    import json

    from drawzoo.cli.progress import progress
    from drawzoo.hub import pull
    from drawzoo.manifest import manifest
    from drawzoo.zoo import list_models

    if everything == bool(models):
        raise click.UsageError("name the models to pull (see: drawzoo list), or say --all")
    names = [name for name in list_models() if name in manifest()] if everything else models
    for name in progress(names, "pull"):
        folder, source = pull(name)
        if as_json:
            click.echo(json.dumps({"name": name, "folder": str(folder), "source": source}))
            continue
        came = {"cache": "already in the cache", "shipped": "from the copy that ships with drawzoo"}
        click.echo(f"{name}: {came[source]}, verified", err=True)
        click.echo(folder)
