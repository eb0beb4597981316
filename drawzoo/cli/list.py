"""`drawzoo list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from drawzoo.cli.options import json_option

if TYPE_CHECKING:
    from drawzoo.registry.registry import Entry
    from drawzoo.schema.manifest import Published


@click.command
@click.argument("pattern", default="*")
@json_option
def command(pattern: str, as_json: bool) -> None:
    """Lists the models whose names match PATTERN, such as '*-mnist'."""
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.table import print_table
    from drawzoo.errors import PluginError, UnknownNameError, nearest, short
    from drawzoo.registry.build import list_models
    from drawzoo.registry.loader import registry
    from drawzoo.store.published import manifest, name_of

    names = list_models(pattern)
    if not names and pattern != "*":
        raise UnknownNameError(f"no model matches {pattern!r}{nearest(pattern, list_models())}")
    rows, known = [], manifest()
    for entry in registry().entries("model"):
        if entry.name in names:
            try:
                rows.append(describe(entry, known.get(name_of(entry))))
            except PluginError as error:
                click.echo(short(f"Note: {entry.qualified} is left out: {error}"), err=True)
    for clash in registry().clashes():
        click.echo(f"Note: {clash}", err=True)
    if as_json:
        print_json(rows, indent=2)
        return
    print_table(
        ["name", "dataset", "plugin", "steps", "parameters", "size", "bound (nats)", "source"],
        [
            [
                row["name"],
                row["dataset"],
                row["plugin"],
                str(row["steps"]),
                "" if row["parameters"] is None else f"{row['parameters']:,}",
                "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f} MB",
                "" if row["bound_nats"] is None else f"{row['bound_nats']:.2f}",
                row["source"] or ("nowhere" if row["sha256"] else "not trained"),
            ]
            for row in rows
        ],
        drop=["plugin", "dataset", "size", "parameters", "steps", "source"],
    )


def describe(entry: Entry, published: Published | None) -> dict[str, Any]:
    """What is known of a model without loading it; figures are None where it has no weights."""
    from drawzoo.evaluation.protocol import read_figures
    from drawzoo.registry.build import model_config
    from drawzoo.schema.figures import find
    from drawzoo.store.published import cached, shipped

    config = model_config(entry.qualified)
    weights = published.files["model.safetensors"] if published else None
    figures = read_figures(published.figures) if published else []
    bound = find(figures, "bound", config.dataset)
    source = None
    if published:
        if cached(entry.qualified):
            source = "cache"
        elif shipped(entry.qualified):
            source = "shipped"
        elif published.commit:
            source = "hub"
    return {
        "name": entry.name,
        "variant": config.variant,
        "dataset": config.dataset,
        "plugin": entry.distribution,
        "steps": config.steps,
        "parameters": published.parameters if published else None,
        "bytes": weights.bytes if weights else None,
        "sha256": weights.sha256 if weights else None,
        "bound_nats": bound.nats_mean if bound else None,
        "source": source,
        "summary": entry.summary,
    }
