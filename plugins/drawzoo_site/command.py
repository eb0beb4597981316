"""`drawzoo site` and `drawzoo demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drawzoo.commands import Registered

if TYPE_CHECKING:
    import webbrowser

__all__ = ["demo", "site"]

IN_TERMINAL = ("www-browser", "links", "elinks", "lynx", "w3m")
"""Browsers, by the names of Python's `webbrowser`, that run no JavaScript."""


@click.command
@click.argument("models", nargs=-1, metavar="[MODEL]...", type=Registered("model"))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to write: new, empty, or a page of before.",
)
def site(models: tuple[str, ...], out: Path) -> None:
    """Writes a page on which MODELs draw in the browser, step by step.

    The folder is static: any web server shows it, from any address, and nothing is fetched from
    elsewhere. Without a MODEL it has those that ship and take less than 2 MB,
    but for convolutional DRAW and classifiers, which it cannot draw.

    \b
    drawzoo site --out page
    drawzoo site --out page draw-mnist local-dir:runs/mine
    python -m http.server -d page
    """
    from drawzoo_site.writing import default_models, write_site

    names = list(dict.fromkeys(models)) or default_models()
    size = write_site(out, names)
    click.echo(f"{len(names)} models, {size / 1e6:.1f} MB, in {out}", err=True)
    click.echo(f"look at it: python -m http.server -d {out}", err=True)


@click.command
@click.argument("models", nargs=-1, metavar="[MODEL]...", type=Registered("model"))
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0 is one that is free.")
@click.option("--terminal", is_flag=True, help="Draw in the terminal, even if there is a browser.")
@click.option("--seed", type=click.IntRange(0, 2**53 - 1), default=0, show_default=True)
def demo(models: tuple[str, ...], port: int, terminal: bool, seed: int) -> None:
    """Shows how MODELs draw: in the browser, or in the terminal where there is none.

    The page is that of `drawzoo site`, served to this machine alone until Ctrl-C.
    """
    import tempfile
    import threading

    from drawzoo_site.serving import serve
    from drawzoo_site.writing import default_models, write_site

    names = list(dict.fromkeys(models)) or default_models()
    browser = None if terminal else _browser()
    if not (browser or terminal):
        click.echo("there is no browser here; drawing in the terminal", err=True)
    if browser is None:
        from drawzoo_site.terminal import animate

        animate(names[0], seed)
        return
    with tempfile.TemporaryDirectory(prefix="drawzoo-demo-") as folder:
        write_site(Path(folder), names)
        with serve(Path(folder), port) as server:
            address = f"http://127.0.0.1:{server.server_port}/#seed={seed}"
            click.echo(f"the page is at {address} until Ctrl-C", err=True)
            # Some browsers come back only when they are closed.
            threading.Thread(target=browser.open, args=(address,), daemon=True).start()
            server.serve_forever()


def _browser() -> webbrowser.BaseBrowser | None:
    """What can show the page here: none of those in the terminal can."""
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return None
    return None if getattr(browser, "name", None) in IN_TERMINAL else browser
