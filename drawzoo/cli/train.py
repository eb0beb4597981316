"""`drawzoo train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drawzoo.cli.completion import Registered
from drawzoo.cli.options import (
    CompileCommand,
    compile_option,
    data_option,
    parse_setting,
    plugin_options,
)

if TYPE_CHECKING:
    from drawzoo.engine.compilation import Choice
    from drawzoo.schema.training import Precision, RunConfig
    from drawzoo.training.checkpoint import Checkpoint


@click.command(cls=CompileCommand)
@click.argument(
    "model", required=False, metavar="MODEL_OR_CONFIG", type=Registered("model", paths="file")
)
@data_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run's folder.")
@click.option("--epochs", type=click.IntRange(1, 10**6), help="Epochs to train for. [20]")
@click.option("--max-steps", type=click.IntRange(1, 10**9), help="Stop after this many steps.")
@click.option("--seed", type=click.IntRange(0), help="Of everything random. [0]")
@click.option(
    "--seeds",
    callback=lambda context, parameter, value: _seeds(value),
    metavar="SEED,SEED…",
    help="Train with each of them, in OUT/seed-0 and so on, and print mean and spread.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the model (steps=5, encoder.units=128) or of the training "
    "(learning_rate=0.001). Repeatable.",
)
@click.option(
    "--init-from",
    type=Registered("model"),
    help="Begin with the weights of this model, which is then what is trained unless another of "
    "the same shapes is named: fine-tuning.",
)
@click.option("--resume", is_flag=True, help="Go on from the folder's checkpoint, if it has one.")
@compile_option
@click.option(
    "--precision",
    type=click.Choice(["float32", "bf16", "tf32"]),
    help="Of matrix products, for speed: bf16, for the LSTMs' gates, where the processor has "
    "units for it; tf32, all, on CUDA. Both have three digits. Validation stays float32. [float32]",
)
@click.option(
    "--recompute",
    is_flag=True,
    help="For large images and many steps: keep every few steps of drawing alone for the "
    "gradient, and compute the others again. The same gradient in a fraction of the memory, "
    "and in more time.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@click.option(
    "--checkpoint-steps",
    type=click.IntRange(1),
    help="Steps between checkpoints. [500]",
)
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard events to the folder too.")
def command(
    model: str | None,
    data: Path | None,
    out: Path,
    epochs: int | None,
    max_steps: int | None,
    seed: int | None,
    seeds: list[int] | None,
    settings: tuple[str, ...],
    init_from: str | None,
    resume: bool,
    compile: Choice,
    precision: Precision | None,
    recompute: bool,
    device: str,
    checkpoint_steps: int | None,
    tensorboard: bool,
) -> None:
    """Trains a model: a registered one, or the model of a config.json.

    The folder --out gets the weights (config.json and model.safetensors, to be used as
    local-dir:OUT), the log (log.jsonl) and the checkpoint. Ctrl-C saves; --resume goes on, and
    ends with the same weights on the CPU as if nothing had happened. With --resume, MODEL,
    settings, --data and --checkpoint-steps may be left out. A run gets more epochs by a restart of
    the learning rate where it ended, as if it had been there from the beginning: the last line but
    one adds 20.

    \b
    drawzoo train draw-mnist --epochs 20 --out runs/draw
    drawzoo train draw-mnist --set steps=5 --set batch_size=100 --out runs/t5
    drawzoo train draw-mnist --seeds 0,1,2 --out runs/three
    drawzoo train draw --data folder:photos --out runs/photos
    drawzoo train --init-from draw-mnist --set dataset=fashion-mnist --out runs/fashion
    drawzoo train --resume --out runs/draw
    drawzoo train --resume --out runs/draw --epochs 40 --set 'restarts=[20]'
    torchrun --nproc-per-node 2 -m drawzoo -- train draw-mnist --out runs/draw
    """
    from drawzoo.disk.paths import own_images
    from drawzoo.schema.training import CHECKPOINT

    given: dict[str, Any] = {"epochs": epochs, "max_steps": max_steps, "seed": seed}
    given["init_from"] = init_from
    changes = {key: value for key, value in given.items() if value is not None}
    changes |= dict(map(parse_setting, settings))
    if seeds and "seed" in changes:
        raise click.UsageError("--seeds and a seed exclude each other; leave one out")
    # What is refused here is refused before the seconds that torch takes.
    if own_images(data):
        changes["dataset"] = "folder"
        model = model and _of_own_images(model)
    runs = {out / f"seed-{one}": changes | {"seed": one} for one in seeds or ()} or {out: changes}
    there = any((run / CHECKPOINT).exists() for run in runs)
    if model:
        asked = {run: run_config(model, own) for run, own in runs.items()}
    elif init_from and not there:
        asked = {run: _finer(init_from, own) for run, own in runs.items()}
    else:
        asked = {}
    if not asked and not there:
        raise click.UsageError(
            f"there is no checkpoint in {out} to resume; name a model to train"
            if resume
            else "name a model (see: drawzoo list) or a config.json to train"
        )

    from drawzoo.cli.runs import Options, Run, train
    from drawzoo.training.checkpoint import check_same
    from drawzoo.training.run_options import RunOptions, read_options

    found = {run: _checkpoint(run, resume) for run in runs}
    begun = next((checkpoint.config for checkpoint in found.values() if checkpoint), None)
    planned = []
    for run, own in runs.items():
        checkpoint = found[run]
        # A seed that has not begun is trained as the others are.
        base = checkpoint.config if checkpoint else begun
        if asked:
            config = asked[run]
        elif base is not None:
            config = _changed(base, own)
        else:
            raise click.UsageError(f"the run in {out} has not begun; name the model to train")
        config = _completed(config)
        if checkpoint is not None:
            # A run may be older than a setting, which then has its default.
            check_same(run, _completed(checkpoint.config), config)
        planned.append(Run(run, config, checkpoint))
    again = ["drawzoo", *plugin_options(), "train", "--resume", "--out", str(out)]
    again += ["--seeds", ",".join(map(str, seeds))] if seeds else []
    again += ["--recompute"] if recompute else []
    # A folder without a run, or with one of an earlier version, has no options to go on with.
    kept = next((read_options(run) for run in runs if found[run]), RunOptions())
    if data is None and kept.data is not None:
        data = Path(kept.data)
    steps = checkpoint_steps or kept.checkpoint_steps
    precision = precision or kept.precision
    options = Options(data, compile, precision, recompute, device, steps, tensorboard, again)
    train(planned, options, summary=seeds is not None)


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} are no numbers with commas between them") from None
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise click.BadParameter(f"{text!r}: a seed is negative, or there twice")
    return seeds


def _checkpoint(out: Path, resume: bool) -> Checkpoint | None:
    """The checkpoint to go on from, if there is one."""
    from drawzoo.training.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(out)
    if checkpoint is None or resume:
        return checkpoint
    if checkpoint.step == 0:
        # Nothing was trained: the first step failed.
        return None
    raise click.UsageError(
        f"{out} holds a run already; go on with --resume, or choose another folder"
    )


def _of_own_images(model: str) -> str:
    """The recipe for a folder of images: `draw` means `draw-folder`, any other name itself."""
    from drawzoo.registry.build import list_models

    own = f"{model}-folder"
    return own if own in list_models() else model


def run_config(name: str, changes: dict[str, Any]) -> RunConfig:
    """The run for a registered model or a configuration file."""
    from drawzoo.errors import ConfigError
    from drawzoo.registry.build import model_config
    from drawzoo.schema.base import read
    from drawzoo.schema.model import ModelConfig
    from drawzoo.schema.training import RunConfig, TrainingConfig

    if name.endswith(".json"):
        try:
            model = read(Path(name), ModelConfig)
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}") from error
    else:
        model = model_config(name)
    return _changed(RunConfig(model, TrainingConfig()), changes)


def _finer(name: str, changes: dict[str, Any]) -> RunConfig:
    """The run that goes on from a trained model."""
    from drawzoo.schema.training import RunConfig, TrainingConfig
    from drawzoo.store.sources import locate
    from drawzoo.store.validate import read_config

    return _changed(RunConfig(read_config(locate(name).folder), TrainingConfig()), changes)


def _changed(config: RunConfig, changes: dict[str, Any]) -> RunConfig:
    """The run with some settings changed, of the training or of the model; free of torch."""
    from drawzoo.errors import ConfigError, nearest
    from drawzoo.registry.build import check_config
    from drawzoo.registry.loader import registry
    from drawzoo.schema.base import override
    from drawzoo.schema.training import RunConfig

    training = {k: v for k, v in changes.items() if k in config.training.__struct_fields__}
    model = {k: v for k, v in changes.items() if k not in training}
    known = {*config.training.__struct_fields__, *config.model.__struct_fields__}
    for key in model:
        if (head := key.partition(".")[0]) not in known:
            raise ConfigError(f"--set {key}: there is no setting {head!r}{nearest(head, known)}")
    changed = RunConfig(override(config.model, model), override(config.training, training))
    check_config(changed.model)
    registry().find("dataset", changed.model.dataset)
    registry().find("optimizer", changed.training.optimizer)
    return changed


def _completed(config: RunConfig) -> RunConfig:
    """The run with all settings of its components filled in."""
    import torch

    from drawzoo.registry.build import build
    from drawzoo.schema.training import RunConfig

    with torch.device("meta"):
        return RunConfig(build(config.model).config, config.training)
