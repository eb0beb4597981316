"""`drawzoo analyze kernels` and `drawzoo analyze parameters`: a model's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drawzoo.commands import Registered, json_option
from drawzoo_analysis.analyze import out_option

__all__ = ["kernels", "parameters"]


@click.command
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=Registered("model"))
@out_option("kernels.png")
@json_option
def kernels(models: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Shows the filters of the first convolution in the encoder of each MODEL.

    Red is positive and blue negative, on one scale for each model.
    """
    from drawzoo.commands import check_writable, load_models, print_json, write_atomic

    check_writable(out)
    loaded = load_models(models)

    from drawzoo_analysis.filters import first_filters
    from drawzoo_analysis.sheets import filters_plot

    found = {model: first_filters(one) for model, one in loaded.items()}
    write_atomic(out, filters_plot(found))
    click.echo(f"the first filters of {', '.join(found)} in {out}", err=True)
    if as_json:
        facts = {
            model: {
                "layer": layer,
                "shape": list(weight.shape),
                "norms": weight.flatten(1).norm(dim=1).tolist(),
                "kernels": weight.tolist(),
            }
            for model, (layer, weight) in found.items()
        }
        print_json({"models": facts}, indent=2)
        return
    for model, (layer, weight) in found.items():
        outputs, inputs, height, width = weight.shape
        click.echo(
            f"{model}: {layer}, {outputs} filters of {inputs}×{height}×{width}, "
            f"the largest weight {weight.abs().max():.3f}"
        )


@click.command
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=Registered("model"))
@click.option(
    "--versus",
    metavar="SETTING",
    help="Chart the published bounds against this setting, such as steps or encoder.units.",
)
@out_option("parameters.png")
@json_option
def parameters(models: tuple[str, ...], versus: str | None, out: Path, as_json: bool) -> None:
    """Shows where the parameters of each MODEL are: their number, size and singular values.

    \b
    drawzoo analyze parameters draw-mnist
    drawzoo analyze parameters draw-t1-mnist draw-t2-mnist draw-mnist --versus steps
    """
    import msgspec

    from drawzoo.commands import check_writable, load_models, print_json, print_table, write_atomic

    check_writable(out)
    loaded = load_models(models)

    from drawzoo_analysis.parameters import bounds_versus, parts
    from drawzoo_analysis.sheets import parameters_plot

    configs = {model: one.config for model, one in loaded.items()}
    against = None if versus is None else bounds_versus(versus, configs)
    found = {model: parts(one) for model, one in loaded.items()}
    write_atomic(out, parameters_plot(found, against))
    click.echo(f"the parameters of {', '.join(models)} in {out}", err=True)
    if against and against.also_differ:
        others = ", ".join(against.also_differ)
        click.echo(f"Note: these models differ in {others} too, not in {versus} alone", err=True)
    if as_json:
        facts: dict[str, Any] = {
            "models": {
                model: [
                    part._asdict() | {"spectra": {n: s.tolist() for n, s in part.spectra.items()}}
                    for part in model_parts
                ]
                for model, model_parts in found.items()
            }
        }
        if against:
            figures = [msgspec.to_builtins(figure) for figure in against.figures]
            facts["versus"] = against._asdict() | {"figures": figures}
        print_json(facts, indent=2)
        return
    print_table(
        ["model", "part", "parameters", "norm", "rms", "largest singular value"],
        [
            [
                model,
                part.name,
                f"{part.parameters:,}",
                f"{part.norm:.2f}",
                f"{part.rms:.4f}",
                f"{max((s[0].item() for s in part.spectra.values()), default=0):.2f}",
            ]
            for model, model_parts in found.items()
            for part in model_parts
        ],
    )
    if against:
        for model, value, figure in zip(loaded, against.values, against.figures, strict=True):
            click.echo(
                f"{model}: {versus} {value}: "
                f"{figure.nats_mean:.2f} ± {figure.nats_stderr:.2f} nats per image"
            )
