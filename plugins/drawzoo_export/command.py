"""`drawzoo export`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.commands import Registered
from drawzoo_export.kinds import KINDS


@click.command
@click.argument("model", type=Registered("model"))
@click.option(
    "--to",
    type=click.Choice([*KINDS]),
    required=True,
    help="onnx, for ONNX Runtime and others; torch, for torch.export.load.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder, new, empty or exported to before; or a file that ends in .onnx or .pt2, for "
    "the whole drawing alone.",
)
def command(model: str, to: str, out: Path) -> None:
    """Writes MODEL as programs that draw without drawzoo.

    A folder gets the state that a drawing starts from, one step, and the whole drawing of all T
    steps, each for any number of drawings, and export.json, which says what goes in and out. The
    noise goes in, so that the same noise is the same drawing. Before anything is written, 64
    drawings are compared with drawzoo's.

    \b
    drawzoo export draw-mnist --to onnx --out exported
    drawzoo export draw-mnist --to torch --out draw-mnist.pt2
    """
    import functools
    import hashlib

    from drawzoo.commands import load_model, locate, progress
    from drawzoo_export.target import Target

    KINDS[to].check()
    target = Target(out, to)
    loaded = load_model(model)
    weights = (locate(model).folder / "model.safetensors").read_bytes()

    from drawzoo_export.exporting import export

    files, about = export(
        loaded,
        to,
        weights=hashlib.sha256(weights).hexdigest(),
        whole=target.whole,
        progress=functools.partial(progress, what=f"exporting {model}"),
    )
    size = target.write(files, about)
    apart = about["compared"]
    click.echo(
        f"{', '.join(files)} of {model} in {out}, {size / 1e6:.1f} MB; "
        f"{apart['drawings']} drawings differ from drawzoo's by at most {apart['difference']:.1g}",
        err=True,
    )
