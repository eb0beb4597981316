"""`drawzoo train`."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from drawzoo.cli.options import CompileCommand, compile_option, data_option, parse_setting

if TYPE_CHECKING:
    from drawzoo.compilation import Choice
    from drawzoo.training.checkpoint import Checkpoint
    from drawzoo.training.config import RunConfig


@click.command(cls=CompileCommand)
@click.argument("model", required=False, metavar="MODEL_OR_CONFIG")
@data_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run's folder.")
@click.option("--epochs", type=click.IntRange(1, 10**6), help="Passes over the data. [20]")
@click.option("--max-steps", type=click.IntRange(1, 10**9), help="Stop after this many steps.")
@click.option("--seed", type=click.IntRange(0), help="Of everything random. [0]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the model (steps=5, encoder.units=128) or of the training "
    "(learning_rate=0.001). Repeatable.",
)
@click.option("--resume", is_flag=True, help="Go on from the folder's checkpoint, if it has one.")
@compile_option
@click.option(
    "--tf32",
    is_flag=True,
    help="On CUDA: matrix products in TF32, faster and of three digits. Evaluation stays float32.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@click.option(
    "--checkpoint-steps",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Steps between checkpoints.",
)
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard events to the folder too.")
def command(
    model: str | None,
    data: Path | None,
    out: Path,
    epochs: int | None,
    max_steps: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    resume: bool,
    compile: Choice,
    tf32: bool,
    device: str,
    checkpoint_steps: int,
    tensorboard: bool,
) -> None:
    """Trains a model: a registered one, or that of a config.json.

    The folder --out gets the weights (config.json and model.safetensors, to be used as
    local-dir:OUT), the log (log.jsonl) and the checkpoint. Ctrl-C saves; --resume goes on, and
    ends with the same weights on the CPU as if nothing had happened. With --resume, MODEL and
    settings may be left out. A run gets more passes by a restart of the learning rate where it
    ended, as if it had been there from the beginning: the last line but one adds 20.

    \b
    drawzoo train draw-mnist --epochs 20 --out runs/draw
    drawzoo train draw-mnist --set steps=5 --set batch_size=100 --out runs/t5
    drawzoo train --resume --out runs/draw
    drawzoo train --resume --out runs/draw --epochs 40 --set 'restarts=[20]'
    torchrun --nproc-per-node 2 -m drawzoo -- train draw-mnist --out runs/draw
    """
    from drawzoo.training.config import CHECKPOINT

    given: dict[str, Any] = {"epochs": epochs, "max_steps": max_steps, "seed": seed}
    changes = {key: value for key, value in given.items() if value is not None}
    changes |= dict(map(parse_setting, settings))
    # What is refused here is refused before the seconds that torch takes.
    asked = None if model is None else _run_config(model, changes)
    if asked is None and not (out / CHECKPOINT).exists():
        raise click.UsageError(
            f"there is no checkpoint in {out} to resume; name a model to train"
            if resume
            else "name a model (see: drawzoo list) or a config.json to train"
        )

    from drawzoo.training.checkpoint import check_same, read_checkpoint

    checkpoint = read_checkpoint(out)
    if checkpoint is not None and checkpoint.step == 0 and not resume:
        # Nothing was trained: the first step failed.
        checkpoint = None
    if checkpoint is not None and not resume:
        raise click.UsageError(
            f"{out} holds a run already; go on with --resume, or choose another folder"
        )
    if asked is None:
        if checkpoint is None:
            raise click.UsageError(f"the run in {out} has not begun; name the model to train")
        asked = _changed(checkpoint.config, changes)
    config = _completed(asked)
    if checkpoint is not None:
        check_same(out, checkpoint.config, config)
    _train(config, checkpoint, data, out, compile, tf32, device, checkpoint_steps, tensorboard)


def _run_config(name: str, changes: dict[str, Any]) -> RunConfig:
    """The run for a registered model or a configuration file."""
    from drawzoo.config import MAX_JSON_BYTES, ModelConfig, decode
    from drawzoo.errors import ConfigError
    from drawzoo.files import open_regular
    from drawzoo.training.config import RunConfig, TrainingConfig
    from drawzoo.zoo import model_config

    if name.endswith(".json"):
        try:
            with open_regular(Path(name)) as file:
                model = decode(file.read(MAX_JSON_BYTES + 1), ModelConfig, name)
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}") from error
    else:
        model = model_config(name)
    return _changed(RunConfig(model, TrainingConfig()), changes)


def _changed(config: RunConfig, changes: dict[str, Any]) -> RunConfig:
    """The run with some settings changed, of the training or of the model; free of torch."""
    from drawzoo.config import override
    from drawzoo.errors import ConfigError, nearest
    from drawzoo.registry import registry
    from drawzoo.training.config import RunConfig
    from drawzoo.zoo import check_config

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

    from drawzoo.training.config import RunConfig
    from drawzoo.zoo import build

    with torch.device("meta"):
        return RunConfig(build(config.model).config, config.training)


def _train(
    config: RunConfig,
    checkpoint: Checkpoint | None,
    data: Path | None,
    out: Path,
    compile: Choice,
    tf32: bool,
    device: str,
    checkpoint_steps: int,
    tensorboard: bool,
) -> None:
    import contextlib
    import shlex

    import torch

    from drawzoo.cli.options import check_device
    from drawzoo.cli.progress import training_progress
    from drawzoo.compilation import pays
    from drawzoo.distributed import world
    from drawzoo.errors import OutputError
    from drawzoo.files import locked
    from drawzoo.paths import data_root
    from drawzoo.training.checkpoint import read_checkpoint
    from drawzoo.training.log import check_tensorboard
    from drawzoo.training.loop import Trainer
    from drawzoo.training.validation import load_images

    check_device(device)
    if tensorboard:
        check_tensorboard()
    if tf32:
        torch.set_float32_matmul_precision("high")
    with contextlib.ExitStack() as stack, world(device) as (processes, device):
        with processes.leader_first(device):
            images, validation = load_images(config, data_root(data))
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error
        if processes.leads:
            stack.enter_context(locked(out))
            # Another run may have ended here since this one looked.
            there, start = read_checkpoint(out), checkpoint.step if checkpoint else 0
            if there is not None and there.step not in (0, start):
                raise OutputError(f"another run has just written to {out}; start this one again")
        compiled = compile == "yes" or (compile == "auto" and pays(config, len(images.pixels)))
        trainer = Trainer(
            config,
            images,
            out,
            checkpoint,
            validation=validation,
            compile=compiled,
            device=device,
            world=processes,
        )

        def say(line: str) -> None:
            if processes.leads:
                click.echo(line, err=True)

        stopping: list[int] = []

        def stop(number: int, frame: FrameType | None) -> None:
            # The step under way is finished; a second signal does not wait for it. Launchers of
            # several processes send signals on, so that there each may come twice.
            stopping.append(number)
            if processes.size == 1:
                signal.signal(number, signal.SIG_DFL)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        say(
            f"training {config.model.name} in {out}: step {trainer.step} of {trainer.total}"
            + (", compiled" if compiled else "")
            + (f", {processes.size} processes" if processes.size > 1 else "")
        )
        with training_progress(trainer.step, trainer.total, shown=processes.leads) as report:
            done = trainer.run(
                checkpoint_steps=checkpoint_steps,
                tensorboard=tensorboard,
                stop=lambda: bool(stopping),
                report=report,
            )
        if not done:
            again = ["drawzoo", "train", "--resume", "--out", str(out)]
            again += ["--data", str(data)] if data else []
            say(
                f"stopped and saved at step {trainer.step} of {trainer.total}; "
                f"go on with: {shlex.join(again)}"
            )
            raise SystemExit(130)
        best = trainer.best and (
            f" (the weights of step {trainer.best.step}, with the best bound on validation, "
            f"{trainer.best.nats:.2f} nats)"
        )
        say(f"done at step {trainer.step}; use it as local-dir:{out}{best or ''}")
