"""`drawzoo pull`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.completion import Registered
from drawzoo.cli.options import cache_option, json_option


@click.command
@click.argument("models", nargs=-1, metavar="MODEL...", type=Registered("model"))
@click.option("--all", "everything", is_flag=True, help="All models that have weights.")
@click.option(
    "--source",
    type=click.Choice(["auto", "hub", "shipped"]),
    default="auto",
    show_default=True,
    help="Where from. auto: the Hub, or the copy that ships where it has none.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="Copy each model into a folder of its own below this one, for another machine.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched.")
@cache_option
@json_option
def command(
    models: tuple[str, ...],
    everything: bool,
    source: str,
    to: Path | None,
    dry_run: bool,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Brings models from the Hub into its cache, every file checked, and prints their folders.

    MODEL is a name (see: drawzoo list), whose files are checked against their SHA-256, or
    hf-hub:user/repo@revision, whose configuration and tensors are. Of what is not on the Hub, or
    cannot be had from it now, the copy that ships is checked.
    """
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.progress import download_progress
    from drawzoo.store.published import manifest
    from drawzoo.store.sources import HUB, LOCAL, copy_to, preview, pull

    if everything == bool(models):
        raise click.UsageError("name the models to pull (see: drawzoo list), or say --all")
    names = list(manifest()) if everything else models
    for name in names:
        unpublished = name.startswith((HUB, LOCAL))
        if unpublished and source != "auto":
            raise click.UsageError(f"--source {source} is for names, and {name} says where from")
        if dry_run:
            plan = preview(name, source, cache=cache_dir)
            size = "bytes unknown" if plan.bytes is None else f"{plan.bytes:,} bytes to fetch"
            text = f"{name}: {plan.source}, {size}"
            if as_json:
                print_json({"name": name, **plan._asdict()})
            else:
                click.echo(text)
            continue
        with download_progress(name) as report:
            folder, came_from, commit = pull(name, source, cache=cache_dir, report=report)
        if unpublished:
            from drawzoo.store.weights import read_model

            read_model(folder)
        if to:
            folder = copy_to(folder, to, name)
        if as_json:
            found = {"name": name, "folder": str(folder), "source": came_from, "commit": commit}
            print_json(found)
            continue
        came = {
            "cache": "already in the cache",
            "hub": f"from the Hub, commit {commit}",
            "local-dir": "a folder",
            "shipped": "from the copy that ships",
        }
        # Why what was to come from the Hub is the one that ships was said already.
        if came_from != "shipped" or source == "shipped":
            click.echo(f"{name}: {came[came_from]}, verified", err=True)
        click.echo(folder)
