"""`drawzoo card`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.completion import Registered
from drawzoo.cli.options import data_option


@click.command
@click.argument("model", metavar="RUN|MODEL", type=Registered("model", paths="dir"))
@click.option(
    "--cards",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of cards; the model gets a folder in it. [in a checkout of the package that "
    "registers the model: where the package keeps them]",
)
@click.option(
    "--manifest",
    "manifest_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The manifest.json to pin the files and figures in. [without --cards, and for MODEL: of "
    "the package]",
)
@click.option("--half", is_flag=True, help="Store the weights of RUN in 16 bits, half the bytes.")
@click.option("--measure", is_flag=True, help="Measure figures of unchanged weights again.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    type=Registered("protocol"),
    help="Measure this alone, such as bound, and no more. Repeatable. [all that can be used]",
)
@data_option
def command(
    model: str,
    cards: Path | None,
    manifest_path: Path | None,
    half: bool,
    measure: bool,
    protocols: tuple[str, ...],
    data: Path | None,
) -> None:
    """Makes a folder to publish of a finished RUN: weights, configuration, pictures and a card.

    Of a MODEL that has such a folder, card and pictures are made again from what is in it.

    The card's figures are measured here, on the weights that go into the folder, on the test split
    with seed 0: every protocol that can be used with the model (see: drawzoo evaluate --help); iwae
    with k=100 on 2,500 images or 5,000. It takes some minutes. Figures that the manifest has of
    the same weights are kept.
    """
    from drawzoo.cards.make import make_card, remake_card
    from drawzoo.cli.progress import bars

    if Path(model).is_dir():
        folder = make_card(
            Path(model),
            cards,
            manifest=manifest_path,
            half=half,
            measure=measure,
            protocols=protocols,
            data=data,
            bars=bars,
        )
    elif half:
        raise click.UsageError("--half is for a RUN; the weights of a MODEL stay as they are")
    else:
        folder = remake_card(
            model,
            cards,
            manifest=manifest_path,
            measure=measure,
            protocols=protocols,
            data=data,
            bars=bars,
        )
    click.echo(folder)
