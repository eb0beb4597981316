"""`drawzoo publish`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import click

from drawzoo.cli.completion import Registered


@click.command
@click.argument("model", required=False, metavar="MODEL|DIR", type=Registered("model", paths="dir"))
@click.option("--repo", metavar="USER/NAME", help="The repository; it is made if need be.")
@click.option(
    "--all", "everything", is_flag=True, help="All models of the package whose checkout this is."
)
@click.option("--namespace", metavar="USER", help="Whose repositories, with --all.")
@click.option("--private", is_flag=True, help="Make new repositories private.")
@click.option("--create-pr", is_flag=True, help="Ask for the change instead of making it.")
@click.option("--dry-run", is_flag=True, help="Check, and only say what would be published.")
@click.option("--pin", "pin_it", is_flag=True, help="Write the entry into the manifest.")
@click.option(
    "--manifest",
    "manifest_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The manifest with the figures. [of the package that registers the model]",
)
def command(
    model: str | None,
    repo: str | None,
    everything: bool,
    namespace: str | None,
    private: bool,
    create_pr: bool,
    dry_run: bool,
    pin_it: bool,
    manifest_path: Path | None,
) -> None:
    """Publishes a model on the Hub, and prints its entry for the manifest.

    One commit has card, pictures, configuration and weights; if nothing changed, there is none. The
    token comes from `hf auth login` or HF_TOKEN.
    """
    import msgspec

    from drawzoo.cards.upload import candidate, publish
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.progress import progress
    from drawzoo.disk.atomic import write_atomic
    from drawzoo.schema.manifest import CARD, pins, write_manifest
    from drawzoo.store.sources import parse_repository

    single, many = model is not None and repo is not None, everything and namespace is not None
    if single == many or (model or repo) and (everything or namespace):
        raise click.UsageError("say MODEL --repo user/name, or --all --namespace user")
    if create_pr and pin_it:
        raise click.UsageError("--pin needs a commit that is there; use it after the merge")
    if model and repo:
        targets = {model: repo}
    else:
        targets = {name: f"{namespace}/{name.rpartition(':')[2]}" for name in _here()}
    # All are checked before the first is published.
    candidates = [
        (candidate(name, manifest_path), parse_repository(to)) for name, to in targets.items()
    ]
    for found, repository in progress(candidates, "publish"):
        if dry_run:
            entry = msgspec.structs.replace(found.entry, repository=repository, commit=None)
            for file, content in pins(found.folder).items():
                click.echo(f"{repository}: {file}, {content.bytes:,} bytes", err=True)
        else:
            with _quiet_client():
                entry, card, changed, url = publish(
                    found, repository, private=private, create_pr=create_pr
                )
            state = "published" if changed else "unchanged, no new commit"
            click.echo(f"{found.name}: {state}, {url}", err=True)
            if pin_it:
                write_atomic(found.folder / CARD, card)
                write_manifest(found.manifest, found.name, entry)
        print_json({found.name: msgspec.to_builtins(entry)})


def _here() -> list[str]:
    """The names of the models whose package's checkout this is, and which it ships."""
    from drawzoo.cards.make import shelf_here
    from drawzoo.errors import OutputError
    from drawzoo.registry.loader import registry
    from drawzoo.store.published import manifest, name_of, shipped

    known, found = manifest(), []
    for entry in registry().entries("model"):
        name = name_of(entry)
        with contextlib.suppress(OutputError):
            if name in known and shelf_here(entry, name) and shipped(name):
                found.append(name)
    if not found:
        raise OutputError("no package whose checkout is here ships models; say MODEL --repo")
    return found


@contextlib.contextmanager
def _quiet_client() -> Iterator[None]:
    """Keeps the bars and warnings of the Hub's client off the terminal.

    Both are settings of the whole process, which is the command's own; the module
    `drawzoo.cards.upload` can be called from any process and thread, and changes neither.
    """
    from huggingface_hub.utils import logging as client_logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    verbosity, bars = client_logging.get_verbosity(), not are_progress_bars_disabled()
    client_logging.set_verbosity(logging.CRITICAL)
    if bars:
        disable_progress_bars()
    try:
        yield
    finally:
        client_logging.set_verbosity(verbosity)
        if bars:
            enable_progress_bars()
