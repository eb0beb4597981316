"""What `drawzoo train` does once its arguments are right: one run, or several one after another."""

from __future__ import annotations

import contextlib
import shlex
import signal
import statistics
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import click
import torch

from drawzoo.cli.options import check_device
from drawzoo.cli.progress import training_progress
from drawzoo.disk.atomic import locked, make_folder, no_empty_folder
from drawzoo.disk.paths import data_root
from drawzoo.engine.compilation import Choice, worthwhile
from drawzoo.engine.world import World, world
from drawzoo.errors import ConfigError, OutputError
from drawzoo.schema.training import Precision, RunConfig
from drawzoo.training.checkpoint import Checkpoint, read_checkpoint
from drawzoo.training.log import check_tensorboard, read_log
from drawzoo.training.loop import Trainer
from drawzoo.training.run_options import write_options
from drawzoo.training.validation import load_images

__all__ = ["Options", "Run", "train"]

PATIENCE = 1.0
"""Seconds that a step may take after Ctrl-C before a line says what is waited for."""
STOPPING = "finishing the step under way, to save the run; a second Ctrl-C ends it at once, unsaved"


class Run(NamedTuple):
    """A run to begin or to go on with."""

    folder: Path
    config: RunConfig
    checkpoint: Checkpoint | None


class Options(NamedTuple):
    """How to train, which changes nothing in what is trained but its rounding."""

    data: Path | None
    compile: Choice
    precision: Precision
    recompute: bool
    device: str
    checkpoint_steps: int
    tensorboard: bool
    again: list[str]
    """The command to go on with after an interruption."""


def train(runs: Sequence[Run], options: Options, *, summary: bool) -> None:
    """Trains one run after another.

    Arguments:
        runs: The runs.
        options: How.
        summary: Whether to print the bound of each, their mean and their spread.

    Raises:
        SystemExit: With code 130 after an interruption, which each run survives.
    """
    check_device(options.device)
    if options.tensorboard:
        check_tensorboard()
    if options.precision == "tf32":
        if torch.device(options.device).type != "cuda":
            raise ConfigError("--precision tf32 is for CUDA; say --device cuda, or leave it out")
        torch.set_float32_matmul_precision("high")
    with world(options.device) as (processes, device):
        ends = []
        for run in runs:
            ends.append(_train(run, options, processes, device))
            if processes.any(ends[-1].interrupted, device) and run is not runs[-1]:
                if processes.leads:
                    click.echo(f"stopped; go on with: {shlex.join(options.again)}", err=True)
                raise SystemExit(130)
        if summary and processes.leads:
            click.echo(_summary(runs, ends))


class _End(NamedTuple):
    nats: float
    measured: str
    """What on, and when."""
    interrupted: bool
    """Whether a signal came when there was no step left to stop after."""


def _train(run: Run, options: Options, processes: World, device: str) -> _End:
    config, out = run.config, run.folder
    with contextlib.ExitStack() as stack:
        with processes.leader_first(device):
            images, validation = load_images(config, data_root(options.data))
        stack.enter_context(no_empty_folder(out))
        make_folder(out)
        if processes.leads:
            stack.enter_context(locked(out))
            # Another run may have ended here since this one looked.
            there, start = read_checkpoint(out), run.checkpoint.step if run.checkpoint else 0
            if there is not None and there.step not in (0, start):
                raise OutputError(f"another run has just written to {out}; start this one again")
        compiled = options.compile == "yes" or (
            options.compile == "auto" and worthwhile(config, len(images.pixels))
        )
        if compiled:
            # Of many models, the compiler would give the last ones up.
            torch.compiler.reset()
        trainer = Trainer(
            config,
            images,
            out,
            run.checkpoint,
            validation=validation,
            compile=compiled,
            recompute=options.recompute,
            bfloat16=options.precision == "bf16",
            device=device,
            world=processes,
        )

        def say(line: str) -> None:
            if processes.leads:
                click.echo(line, err=True)

        if processes.leads:
            write_options(out, options.data, options.checkpoint_steps, options.precision)
        stopping = stack.enter_context(_signals(processes))
        say(
            f"training {config.model.name} in {out}: step {trainer.step} of {trainer.total}"
            + (", compiled" if compiled else "")
            + (f", {options.precision}" if options.precision != "float32" else "")
            + (", recomputing steps" if options.recompute else "")
            + (f", {processes.size} processes" if processes.size > 1 else "")
        )
        with training_progress(trainer.step, trainer.total, shown=processes.leads) as report:
            done = trainer.run(
                checkpoint_steps=options.checkpoint_steps,
                tensorboard=options.tensorboard,
                stop=lambda: bool(stopping),
                report=report,
            )
        if not done:
            say(
                f"stopped and saved at step {trainer.step} of {trainer.total}; "
                f"go on with: {shlex.join(options.again)}"
            )
            raise SystemExit(130)
        if (best := trainer.best) is None:
            say(f"done at step {trainer.step}; use it as local-dir:{out}")
            log = read_log(out)
            nats = log[-1]["nats"] if log else float("nan")
            return _End(nats, "on the last training images", bool(stopping))
        when = f"after epoch {best.step / trainer.steps_per_epoch:g}"
        say(
            f"done at step {trainer.step}; use it as local-dir:{out} (the weights {when}, with "
            f"the best bound on validation, {best.nats:.2f} nats)"
        )
        return _End(best.nats, f"on validation {when}", bool(stopping))


@contextlib.contextmanager
def _signals(processes: World) -> Iterator[list[int]]:
    """Collects interruptions, so that the step under way is finished."""
    stopping: list[int] = []
    asked, over = threading.Event(), threading.Event()

    def tell() -> None:
        asked.wait()
        # The first step of a compiled run takes minutes.
        if not over.wait(PATIENCE):
            click.echo(STOPPING, err=True)

    def stop(number: int, frame: FrameType | None) -> None:
        # A second signal does not wait for the step. Launchers of several processes send signals
        # on, so that there each may come twice.
        stopping.append(number)
        # Once: a handler that interrupts `set` and calls it again would wait for itself.
        if len(stopping) == 1 and not over.is_set():
            asked.set()
        if processes.size == 1:
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    # The thread is there before a signal is: a handler must not wait for one to start.
    if processes.leads:
        threading.Thread(target=tell, daemon=True).start()
    try:
        yield stopping
    finally:
        over.set()
        asked.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(runs: Sequence[Run], ends: Sequence[_End]) -> str:
    lines = [
        f"seed {run.config.training.seed}: {end.nats:.2f} nats {end.measured}"
        for run, end in zip(runs, ends, strict=True)
    ]
    nats = [end.nats for end in ends]
    spread = f" ± {statistics.stdev(nats):.2f} (standard deviation)" if len(nats) > 1 else ""
    seeds = f"{len(nats)} seed{'s' * (len(nats) > 1)}"
    return "\n".join([*lines, f"mean of {seeds}: {statistics.mean(nats):.2f}{spread} nats"])
