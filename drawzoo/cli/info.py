"""`drawzoo info`."""

from __future__ import annotations

from typing import Any

import click

from drawzoo.cli.completion import Registered
from drawzoo.cli.options import json_option


@click.command
@click.argument("model", type=Registered("model"))
@json_option
def command(model: str, as_json: bool) -> None:
    """Shows all that is known of a MODEL: configuration, data, files, hashes, figures."""
    import json

    import msgspec

    from drawzoo.cli.list import describe
    from drawzoo.cli.printing import print_json
    from drawzoo.data.dataset import facts as data_facts
    from drawzoo.evaluation.protocol import find_protocol, read_figures
    from drawzoo.registry.build import model_config
    from drawzoo.registry.loader import registry
    from drawzoo.schema.base import to_dict
    from drawzoo.schema.figures import facts as figure_facts
    from drawzoo.schema.manifest import CONFIG
    from drawzoo.store.published import cached, pinned, shipped
    from drawzoo.store.sources import HUB, LOCAL, locate

    if model.startswith((LOCAL, HUB)):
        from drawzoo.store.validate import read_config

        folder, source, commit = locate(model, files=(CONFIG,))
        facts: dict[str, Any] = {"name": model, "source": source, "commit": commit}
        facts["config"] = to_dict(read_config(folder))
    else:
        entry = registry().find("model", model)
        published = pinned(entry)
        facts = describe(entry, published)
        facts["config"] = to_dict(model_config(model))
        if published:
            facts |= msgspec.to_builtins(published)
            facts["figures"] = [figure_facts(figure) for figure in read_figures(published.figures)]
            # Nothing is fetched to tell of it.
            folder_or_none = cached(model) or shipped(model)
            facts["folder"] = str(folder_or_none) if folder_or_none else None
    facts["data"] = data_facts(facts["config"]["dataset"])
    if as_json:
        print_json(facts, indent=2)
        return
    for key, value in facts.items():
        if key == "config":
            click.echo("config")
            for line in json.dumps(value, indent=2).splitlines()[1:-1]:
                click.echo(line)
        elif key == "data":
            for name, text in (value or {}).items():
                click.echo(f"{'data ' + name:18} {text}")
        elif key == "files":
            for name, pin in value.items():
                click.echo(f"{name:18} {pin['bytes']:,} bytes, SHA-256 {pin['sha256']}")
        elif key == "figures":
            for figure in read_figures(value):
                line = find_protocol(figure.protocol).summary(figure)
                click.echo(f"{figure.protocol:18} {line}")
        elif value is not None:
            click.echo(f"{key:18} {value}")
