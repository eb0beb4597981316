"""Trains seeds of a model side by side on one GPU: `python benchmarks/train_seeds.py draw-mnist`.

A training step is some thousand kernels of a few microseconds each, and one run leaves most of a
GPU idle. Here the weights of all seeds are stacked: every kernel works for all of them. One step of
drawing is compiled, whatever T, and a whole training step is one CUDA graph.

The recipe is `drawzoo train MODEL --seeds … --set validation=0 --device cuda --precision tf32`, and
each seed gets a folder as this command would make it, for `drawzoo evaluate` and `drawzoo card`.
`--set KEY=VALUE` changes a setting of the model or of the training, as in `drawzoo train`, but not
those of `FIXED`. The optimiser's state is not kept, so that epochs that `--resume` adds begin with
an empty one, and nothing is saved before the end. Initial weights are the same; images, their
order, binarisation and noise are of the GPU's generator.

Several such programs at once, after `nvidia-cuda-mps-control -d`, fill a GPU better than one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import msgspec
import torch
from stacked import Optimizer, Stacked
from torch import Tensor

from drawzoo.cli.train import run_config
from drawzoo.commands import data_root, override, parse_setting
from drawzoo.data.images import Images, load_dataset
from drawzoo.disk.atomic import make_folder, no_empty_folder, write_atomic
from drawzoo.disk.paths import expanded
from drawzoo.engine.saving import write_model
from drawzoo.errors import ConfigError, DrawzooError, OutputError, TrainingError
from drawzoo.registry.build import build
from drawzoo.schema.model import ModelConfig
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.training.checkpoint import Checkpoint, write_checkpoint
from drawzoo.training.log import LOG
from drawzoo.training.loop import LOG_STEPS, schedule
from drawzoo.training.run_options import CHECKPOINT_STEPS, write_options

FIXED = ("seed", "validation", "optimizer", "ema_decay", "max_steps", "restarts", "init_from")
"""Settings that the script does not have."""

WARMUP = 3
"""Steps before the capture: compilation, and what libraries do at their first calls."""


class Runs:
    """The trainings: on the GPU a step is a replay, and the host only counts.

    Arguments:
        stacked: The models.
        training: Their optimisation.
        images: The images to train on.
    """

    def __init__(self, stacked: Stacked, training: TrainingConfig, images: Images) -> None:
        self.stacked, self.training = stacked, training
        self.optimizer = Optimizer(stacked, training)
        seeds, device = len(stacked.seeds), stacked.device
        self.pixels, self.labels = images.pixels.to(device), None
        if stacked.model.encoder.needs_labels and images.labels is not None:
            self.labels = images.labels.to(device)
        self.binarize, self.number = images.binarize, len(images.pixels)
        self.per_epoch = self.number // training.batch_size
        total = training.epochs * self.per_epoch
        rates = [schedule(training, step, total) for step in range(total)]
        self.rates = torch.tensor(rates, device=device)
        self.history = torch.zeros(total, seeds, 4, device=device)
        self.done = torch.zeros(1, device=device, dtype=torch.int64)
        self.order = torch.zeros(seeds, self.number, device=device, dtype=torch.int64)

    def shuffle(self) -> None:
        """An order of the images for each seed, for an epoch."""
        self.order.copy_(torch.rand(self.order.shape, device=self.order.device).argsort(dim=1))

    def step(self) -> None:
        """A training step, all of whose random numbers and places are on the device."""
        stacked = self.stacked
        places = self.done % self.per_epoch * stacked.batch
        places = places + torch.arange(stacked.batch, device=places.device)
        index = self.order.index_select(1, places)
        grey = self.pixels[index].float() / 255
        x = (torch.rand_like(grey) < grey).float() if self.binarize else grey
        model = stacked.model
        noise = grey.new_empty(model.steps, *index.shape, *model.latent.shape).normal_()
        self.advance(x, noise, None if self.labels is None else self.labels[index])

    def advance(self, x: Tensor, noise: Tensor, labels: Tensor | None) -> None:
        """A training step on a batch of each seed, as `Stacked.differentiate` takes it."""
        means = self.stacked.differentiate(x, noise, labels)
        rate = self.rates.index_select(0, self.done).squeeze(0)
        norm = self.optimizer.step(rate, self.done.squeeze(0))
        self.history.index_copy_(0, self.done, torch.cat([means, norm[:, None]], dim=1)[None])
        self.done.add_(1)

    def replayed(self) -> Callable[[], None]:
        """The step as a CUDA graph; what is compiled and warmed up leaves no trace."""
        optimizer = self.optimizer
        kept = [self.history, self.done]
        states = (optimizer.momentum, optimizer.first, optimizer.second)
        for tensors in (self.stacked.weights, *states):
            kept += tensors.values()
        before = [tensor.detach().clone() for tensor in kept]

        def restore() -> None:
            with torch.no_grad():
                torch._foreach_copy_(kept, before)

        self.shuffle()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(min(WARMUP, len(self.rates))):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        restore()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        restore()
        return graph.replay

    def epoch(self, step: Callable[[], None]) -> list[float]:
        """All steps of an epoch; returns the mean bound in nats of each seed.

        Raises:
            TrainingError: If loss or gradients are not finite.
        """
        self.shuffle()
        for _ in range(self.per_epoch):
            step()
        done = int(self.done.item())
        means = self.history[done - self.per_epoch : done].mean(dim=0)
        if not means.isfinite().all():
            raise TrainingError(
                f"loss or gradient is not finite before step {done}, and nothing is saved: leave "
                "the seed out, or use drawzoo train with a lower learning_rate"
            )
        nats: list[float] = means[:, 1].tolist()
        return nats

    def write(
        self, folders: list[Path], config: ModelConfig, data: Path | None, took: float
    ) -> None:
        """Writes the run of each seed into its folder, after a training of `took` seconds.

        Raises:
            OutputError: If a file cannot be written.
        """
        training, total = self.training, len(self.history)
        speed = float(f"{total * training.batch_size / took:.4g}")
        for s, (seed, folder) in enumerate(zip(self.stacked.seeds, folders, strict=True)):
            weights = {name: w[s].detach().cpu() for name, w in self.stacked.weights.items()}
            run = RunConfig(config, msgspec.structs.replace(training, seed=seed))
            write_model(folder, config, weights)
            write_checkpoint(folder, Checkpoint(run, total, weights, {}, {}))
            write_options(folder, data, CHECKPOINT_STEPS, "tf32")
            lines, done = [], 0
            for part in self.history[:, s].cpu().split(LOG_STEPS):
                done += len(part)
                loss, nats, kl, norm = (round(value, 4) for value in part.mean(dim=0).tolist())
                record = {"step": done, "epoch": round(done / self.per_epoch, 3), "loss": loss}
                record |= {"nats": nats, "kl": kl, "gradient_norm": norm}
                rate = schedule(training, done - 1, total)
                record |= {"learning_rate": training.learning_rate * rate, "images_per_s": speed}
                lines.append(json.dumps(record) + "\n")
            write_atomic(folder / LOG, "".join(lines).encode())


def folders(out: Path, seeds: str, training: TrainingConfig) -> dict[int, Path]:
    """Seed → the folder of its run.

    Raises:
        ConfigError: If a seed is none.
    """
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise ConfigError(f"--seeds {seeds}: say numbers with commas between them") from None
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"--seeds {seeds}: a seed is there twice")
    for number in numbers:
        override(training, {"seed": number})
    return {number: out / f"seed-{number}" for number in numbers}


def recipe(name: str, epochs: int, settings: Sequence[str]) -> tuple[ModelConfig, TrainingConfig]:
    """The model, with all settings of its components, and its optimisation.

    Raises:
        ConfigError: If a setting, KEY=VALUE, is none, or none here.
        UnknownNameError: If there is no such model.
    """
    changes = dict(map(parse_setting, settings))
    for key in FIXED:
        if key in changes:
            raise ConfigError(f"--set {key} is not possible here; use drawzoo train --seeds")
    wanted = run_config(name, {"epochs": epochs, "validation": 0} | changes)
    with torch.device("meta"):
        return build(wanted.model).config, wanted.training


def run(args: argparse.Namespace) -> None:
    """Trains, and writes the runs.

    Raises:
        DrawzooError: If something that was asked for cannot be done.
    """
    config, training = recipe(args.model, args.epochs, args.set)
    out = expanded(args.out)
    places = folders(out, args.seeds, training)
    if os.path.lexists(out):
        raise OutputError(f"{out} is there already; name another folder")
    if not torch.cuda.is_available():
        raise ConfigError("there is no GPU; use drawzoo train --seeds")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    images = load_dataset(config.dataset, "train", data_root(args.data), image=config.image)
    with no_empty_folder(out):
        make_folder(out)
        stacked = Stacked(config, list(places), images, training.batch_size, torch.device("cuda"))
        runs = Runs(stacked, training, images)
        step = runs.replayed()
        torch.manual_seed(next(iter(places)))
        start = time.perf_counter()
        for epoch in range(training.epochs):
            nats = " ".join(f"{value:.2f}" for value in runs.epoch(step))
            print(f"epoch {epoch + 1} of {training.epochs}: {nats} nats", flush=True)
        took = time.perf_counter() - start
        for folder in places.values():
            make_folder(folder)
        runs.write(list(places.values()), config, args.data, took)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=TrainingConfig().epochs)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    try:
        run(parser.parse_args())
    except (DrawzooError, click.UsageError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
