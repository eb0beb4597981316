"""How long training takes to a given bound, beside a plain DRAW of the same sizes."""

from __future__ import annotations

import dataclasses
import itertools
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

import drawzoo
from drawzoo import Images, ModelConfig, RunConfig, Trainer, TrainingConfig
from drawzoo.commands import DPI, finish, ops
from drawzoo_bench.plain_draw import PlainDraw, train_step
from drawzoo_bench.timing import wait

__all__ = ["RATES", "Course", "Task", "best", "check_sizes", "compare", "plot", "record", "timed"]

PLAIN = "plain DRAW"
PLAIN_RATE = 1e-3
"""Adam's as PyTorch gives it, and as people leave it."""
RATES = (4e-3, 8e-3, 2e-3, 1e-3)
"""Of Adam, constant: what the plain DRAW with our initialisation is trained with. The likely ones
are first, since no rate is given more time than the fastest before it."""
BATCH = 250
"""Images of an evaluation at once."""
PATIENCE = 12
"""So many times the model's minutes a plain DRAW has, unless its minutes are given."""

End = Literal["reached", "out of time", "schedule ended", "not finite", "interrupted"]


@dataclasses.dataclass
class Course:
    """The bound on validation in the course of a training: three lists of one length."""

    model: str
    initialisation: Literal["drawzoo", "PyTorch"]
    optimizer: str
    learning_rate: float
    step: list[int] = dataclasses.field(default_factory=list)
    minutes: list[float] = dataclasses.field(default_factory=list)
    """Of training, what was compiled in it included; evaluations are not."""
    nats: list[float] = dataclasses.field(default_factory=list)
    end: End = "interrupted"

    @property
    def reached(self) -> float | None:
        """The minutes after which the bound was reached; None if it was not."""
        return self.minutes[-1] if self.end == "reached" else None

    @property
    def name(self) -> str:
        """The model, and how it is trained."""
        if self.model != PLAIN:
            return f"{self.model} ({self.optimizer})"
        rate = f"{self.optimizer} {self.learning_rate:g}"
        return f"{PLAIN} ({rate}, {self.initialisation}'s initialisation)"


class Task(NamedTuple):
    """What is to be reached."""

    target: float
    """The bound on validation, in nats an image."""
    max_minutes: float | None
    """Of each training; None for an hour for the model, and for each plain DRAW `PATIENCE` times
    what the model took, or as long as it trained if it did not get there."""
    every: int
    """Steps from one evaluation to the next."""
    device: torch.device


def check_sizes(config: ModelConfig) -> dict[str, int]:
    """The sizes of the plain DRAW beside a model, as its arguments.

    A size that the model does not have, such as a window's where nothing is read, is the plain
    DRAW's own.

    Raises:
        ConfigError: If there is no plain DRAW for such images, or with such windows.
    """
    channels, height, width = config.image
    sizes = {
        "units": config.decoder.config.get("units"),
        "latent": config.latent.config.get("size"),
        "read": config.reader.config.get("size"),
        "write": config.writer.config.get("size"),
    }
    if channels != 1 or height != width or config.likelihood.name != "bernoulli":
        raise drawzoo.ConfigError(
            f"the plain DRAW beside {config.name} draws square binary images of one channel, not "
            f"{list(config.image)} with the likelihood {config.likelihood.name}; choose a model "
            "such as draw-mnist"
        )
    if 1 in (sizes["read"], sizes["write"]):
        raise drawzoo.ConfigError(
            "the plain DRAW has no windows of one filter; say --set reader.size=2, or writer.size=2"
        )
    given = {key: size for key, size in sizes.items() if isinstance(size, int)}
    return {"steps": config.steps, "side": height, **given}


def timed(
    course: Course,
    task: Task,
    step: Callable[[], object],
    nats: Callable[[], float],
    *,
    ended: Callable[[], bool] = lambda: False,
    report: Callable[[Course], None] = lambda course: None,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Trains to the target, or until the time is over; the course grows meanwhile.

    Arguments:
        course: What is measured so far: nothing.
        task: The target.
        step: A step of training.
        nats: The present bound on validation, in nats an image.
        ended: Whether there is no step left.
        report: Called after each evaluation.
        clock: Tells seconds.
    """
    seconds, done = 0.0, 0
    limit = 3600 if task.max_minutes is None else 60 * task.max_minutes
    while True:
        found = nats()
        if not math.isfinite(found):
            course.end = "not finite"
            return
        course.step.append(done)
        course.minutes.append(seconds / 60)
        course.nats.append(found)
        report(course)
        if found <= task.target:
            course.end = "reached"
            return
        if seconds >= limit or ended():
            course.end = "schedule ended" if ended() else "out of time"
            return
        wait(task.device)
        start, before = clock(), seconds
        for _ in range(task.every):
            step()
            done += 1
            seconds = before + clock() - start
            if seconds >= limit or ended():
                break
        wait(task.device)
        seconds = before + clock() - start


def compare(
    config: ModelConfig,
    training: TrainingConfig,
    images: Images,
    validation: Images,
    task: Task,
    *,
    compile: bool,
    courses: list[Course],
    report: Callable[[Course], None] = lambda course: None,
) -> None:
    """Trains a model and plain DRAWs, one after another.

    First the model; then the plain DRAW as people write it; then the plain DRAW with our
    initialisation, once with each of `RATES`, and no longer than the fastest of these before. None
    has more minutes than the task gives.

    Arguments:
        config: The model.
        training: The model's training; its batch size is for all.
        images: The images to train on.
        validation: The images of the bound.
        task: The target.
        compile: Whether the model is compiled, as `drawzoo train --compile` does.
        courses: What was measured is appended to it, each course before it begins.
        report: Called after each evaluation.
    """
    sizes = check_sizes(config)
    x = validation.batch(torch.arange(len(validation.pixels)), torch.Generator().manual_seed(0))
    x = x.to(task.device)
    ours = Course(config.name, "drawzoo", training.optimizer, training.learning_rate)
    courses.append(ours)
    with tempfile.TemporaryDirectory() as folder:
        run = RunConfig(config, training)
        trainer = Trainer(run, images, Path(folder), compile=compile, device=str(task.device))
        canvas = trainer.model.initial_canvas.detach()[0].clone()
        timed(
            ours,
            task,
            trainer.train_step,
            lambda: _bound(trainer.model, x),
            ended=lambda: trainer.finished,
            report=report,
        )

    def plain(initialisation: Literal["drawzoo", "PyTorch"], rate: float, limit: Task) -> Course:
        course = Course(PLAIN, initialisation, "adam", rate)
        courses.append(course)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            model = PlainDraw(**sizes).to(task.device)
            if initialisation == "drawzoo":
                model.start_as_drawzoo(canvas)
            optimizer = torch.optim.Adam(model.parameters(), lr=rate)
            batches = _batches(images.pixels, training.batch_size)

            def step() -> None:
                train_step(model, optimizer, next(batches).to(task.device))

            timed(course, limit, step, lambda: _mean(model, x), report=report)
        return course

    if task.max_minutes is None:
        times = 1 if ours.reached is None else PATIENCE
        task = task._replace(max_minutes=times * ours.minutes[-1] if ours.minutes else None)
    plain("PyTorch", PLAIN_RATE, task)
    for rate in RATES:
        reached = plain("drawzoo", rate, task).reached
        if reached is not None:
            task = task._replace(max_minutes=reached)


def _batches(pixels: Tensor, size: int) -> Iterator[Tensor]:
    """Batches without end, each epoch in an order of its own."""
    while True:
        order = torch.randperm(len(pixels))
        for first in range(0, len(pixels) - size + 1, size):
            yield pixels[order[first : first + size]]


def _bound(model: drawzoo.Draw, x: Tensor) -> float:
    generator = torch.Generator().manual_seed(0)
    model.eval()
    try:
        return _mean(lambda part: model.bound(part, generator=generator).nats.mean(), x)
    except drawzoo.WeightsError:  # the bound is not finite
        return math.nan
    finally:
        model.train()


@torch.no_grad()
def _mean(bound: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The mean over all images of what is given as the mean of a batch."""
    parts = torch.split(x, BATCH)
    return sum(float(bound(part)) * len(part) for part in parts) / len(x)


def best(courses: Iterable[Course]) -> Course | None:
    """The plain DRAW with our initialisation that came first, or else nearest to the target."""
    tuned = [c for c in courses if c.model == PLAIN and c.initialisation == "drawzoo"]
    measured = [course for course in tuned if course.nats]
    return min(
        measured,
        key=lambda c: (math.inf if c.reached is None else c.reached, min(c.nats)),
        default=None,
    )


def record(
    courses: list[Course], task: Task, config: ModelConfig, training: TrainingConfig
) -> dict[str, Any]:
    """What `drawzoo bench quality --json` prints."""
    tuned = best(courses)
    cuda = task.device.type == "cuda"
    return {
        "model": config.name,
        "target": task.target,
        "max_minutes": task.max_minutes,
        "every": task.every,
        "batch": training.batch_size,
        "epochs": training.epochs,
        "plain": check_sizes(config),
        "courses": [
            dataclasses.asdict(course) | {"reached": course.reached, "best": course is tuned}
            for course in courses
        ],
        "device": torch.cuda.get_device_name(task.device) if cuda else str(task.device),
        "processor": str(ops.processor()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "drawzoo": drawzoo.__version__,
    }


def plot(courses: Iterable[Course], task: Task) -> bytes:
    """Nats against minutes of training, as PNG."""
    from matplotlib.figure import Figure

    courses = [course for course in courses if course.nats]
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    for course, mark in zip(courses, itertools.cycle("os^vD*"), strict=False):
        axes.plot(course.minutes, course.nats, marker=mark, ms=3, lw=1.2, label=course.name)
    axes.axhline(task.target, color="grey", ls=":", label=f"{task.target:g} nats")
    # The first evaluations, far above all others, would press the rest flat.
    seen = [nats for c in courses for nats in c.nats[max(1, len(c.nats) // 10) :] or c.nats]
    margin = 0.05 * (max(seen) - min(*seen, task.target)) or 1
    axes.set_ylim(min(*seen, task.target) - margin, max(seen) + margin)
    axes.set_xlim(left=0)
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("bound on validation, nats per image")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return finish(figure, chart=True)
