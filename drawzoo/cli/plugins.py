"""`drawzoo plugins`."""

from __future__ import annotations

import click

from drawzoo.cli.options import json_option


@click.command
@click.option(
    "--check",
    metavar="[NAME]",
    is_flag=False,
    flag_value="",
    help="Check all plugins, or that one (an entry point or a distribution): import each by "
    "itself, resolve every name, build every model.",
)
@json_option
def command(check: str | None, as_json: bool) -> None:
    """Lists the plugins: who gives them, what they give, and which failed.

    Plugins are Python packages that run with your rights: install only those you trust.
    """
    if check is not None:
        _check(check or None, as_json)
        return
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.table import print_table
    from drawzoo.errors import short
    from drawzoo.registry.loader import installed

    plugins = installed()
    clashes = plugins.registry.clashes()
    problems = [
        *(f"plugin {plugin} of {of}: left out: {why}" for plugin, of, why in plugins.refused),
        *_bad_models(),
    ]
    if as_json:
        rows = [plugin._asdict() for plugin in plugins.plugins]
        print_json({"plugins": rows, "clashes": clashes, "problems": problems}, indent=2)
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
    for problem in problems[len(plugins.refused) :]:  # Of the others, loading told.
        click.echo(short(f"problem: {problem}"), err=True)


def _bad_models() -> list[str]:
    """A line for each registered model whose configuration cannot be used."""
    from drawzoo.errors import DrawzooError
    from drawzoo.registry.build import check_config, model_config
    from drawzoo.registry.loader import registry

    lines = []
    for entry in registry().entries("model"):
        try:
            check_config(model_config(entry.qualified))
        except DrawzooError as error:
            lines.append(f"model {entry.qualified}: {error}")
    return lines


def _check(name: str | None, as_json: bool) -> None:
    from drawzoo.cli.printing import print_json
    from drawzoo.errors import PluginError
    from drawzoo.testing.installed import check_plugins

    findings = []
    for finding in check_plugins(name):
        findings.append(finding)
        if not as_json:
            verdict = "ok" if finding.problem is None else f"FAULT: {finding.problem}"
            click.echo(f"{finding.plugin}: {finding.what}: {verdict} ({finding.seconds:.2f} s)")
    if as_json:
        print_json([finding._asdict() for finding in findings], indent=2)
    if faults := [finding for finding in findings if finding.problem]:
        first = faults[0]
        raise PluginError(
            f"{len(faults)} of {len(findings)} checks found a fault, the first in "
            f"{first.plugin}: {first.what}"
        )
