"""`drawzoo evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.options import check_device, data_option, json_option


@click.command
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--dataset", help="Dataset. [the one the model was trained on]")
@click.option("--split", default="test", show_default=True, help="Split of the dataset.")
@click.option("--protocol", type=click.Choice(["bound"]), default="bound", show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@data_option
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@json_option
def command(
    models: tuple[str, ...],
    dataset: str | None,
    split: str,
    protocol: str,
    seed: int,
    data: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Measures models on a whole split of a dataset.

    bound: the negative log-likelihood bound in nats per image (lower is better), from one sample
    of the latent codes, with its two parts, the KL and the reconstruction.
    """
    import functools

    import msgspec

    from drawzoo.cli.progress import progress
    from drawzoo.data.images import load_dataset
    from drawzoo.distributed import world
    from drawzoo.evaluation import evaluate_bound
    from drawzoo.paths import data_root
    from drawzoo.zoo import load

    check_device(device)
    with world(device) as (processes, device):
        for name in models:
            with processes.leader_first(device):
                model = load(name).to(device)
                chosen = dataset or model.config.dataset
                images = load_dataset(chosen, split, data_root(data))
            figure = evaluate_bound(
                model,
                images,
                dataset=chosen,
                split=split,
                seed=seed,
                name=name,
                progress=functools.partial(progress, what=name, shown=processes.leads),
                world=processes,
            )
            if not processes.leads:
                continue
            if as_json:
                click.echo(msgspec.json.encode(figure).decode())
            else:
                click.echo(
                    f"{name}: {figure.nats_mean:.2f} ± {figure.nats_stderr:.2f} nats per image "
                    f"({figure.kl:.2f} KL + {figure.reconstruction:.2f} reconstruction; standard "
                    f"deviation {figure.nats_std:.2f}; {figure.images:,} images of {chosen} "
                    f"{split}, protocol {protocol}, seed {seed})"
                )
