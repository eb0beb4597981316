"""`drawzoo plugins`."""

from __future__ import annotations

import click

from drawzoo.cli.options import json_option


@click.command
@json_option
def command(as_json: bool) -> None:
    """Lists the plugins: who gives them, what they give, and which failed.

    Plugins are Python packages that run with your rights: install only those you trust.
    """
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.table import print_table
    from drawzoo.plugins import installed

    plugins = installed()
    clashes = plugins.registry.clashes()
    if as_json:
        rows = [plugin._asdict() for plugin in plugins.plugins]
        print_json({"plugins": rows, "clashes": clashes}, indent=2)
        return
    print_table(
        ["plugin", "distribution", "version", "gives"],
        [
            [
                plugin.name,
                plugin.distribution,
                plugin.version,
                f"FAILED: {plugin.error}"
                if plugin.error
                else "; ".join(f"{kind}s {', '.join(x)}" for kind, x in plugin.gives.items()),
            ]
            for plugin in plugins.plugins
        ],
        drop=["version", "distribution"],
        prose="gives",
    )
    for clash in clashes:
        click.echo(f"clash: {clash}", err=True)
