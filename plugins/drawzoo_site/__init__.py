"""The page on which models draw in the browser: the commands `site` and `demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    from drawzoo_site.command import demo, site

    cli.add_command(site)
    cli.add_command(demo)
