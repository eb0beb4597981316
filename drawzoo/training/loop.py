"""The training loop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from drawzoo import ops
from drawzoo.data.images import Images
from drawzoo.engine.compilation import compile_training
from drawzoo.engine.draw import Draw
from drawzoo.engine.lstm import LSTM
from drawzoo.engine.randomness import seeded
from drawzoo.engine.saving import write_model
from drawzoo.engine.world import ALONE, World
from drawzoo.errors import ConfigError, DistributedError, TrainingError
from drawzoo.registry.build import build
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store.load import load
from drawzoo.training.checkpoint import (
    CHECKPOINT,
    Best,
    Checkpoint,
    optimizer_tensors,
    restore_optimizers,
    write_checkpoint,
)
from drawzoo.training.checks import check_components, check_images
from drawzoo.training.log import RunLog
from drawzoo.training.optimizers import make_optimizers
from drawzoo.training.validation import valid_bound

__all__ = ["Trainer", "schedule"]

LOG_STEPS = 50
"""Steps that one record of the log averages over."""


def schedule(config: TrainingConfig, step: int, total: int, restarts: Sequence[int] = ()) -> float:
    """The part of every learning rate that a step has: linear warm-up, then a cosine.

    It starts anew at every step of `restarts`.
    """
    start = max((restart for restart in restarts if restart <= step), default=0)
    end = min((restart for restart in restarts if step < restart < total), default=total)
    step, total = step - start, end - start
    warmup = min(config.warmup_steps, total // 10)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    final = config.final_learning_rate
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


class Trainer:
    """A run: a model, its optimiser, and where the run stands.

    All that a step does follows from the configuration, the data and the step's number, so a run
    that is resumed ends with the weights of one that was never stopped (on the CPU, bit for bit).

    Arguments:
        config: Model and optimisation.
        images: The images to train on.
        folder: Where checkpoints, log and weights go; it exists.
        checkpoint: Where to go on from.
        validation: Images whose bound is measured after each epoch; the run ends with the best
            weights, the earliest if several are equal. Without validation images, or if the
            model's likelihood is no density, the run ends with the last weights.
        compile: Whether to compile the model with `torch.compile`.
        recompute: Whether most of what the gradient needs is computed again in the place of being
            kept, as `drawzoo.Draw.recompute` says.
        bfloat16: Whether the products of the LSTMs' gates are in bfloat16; validation is not.
        device: Where to train.
        world: The processes that train together, each on its share of every batch.
    """

    def __init__(
        self,
        config: RunConfig,
        images: Images,
        folder: Path,
        checkpoint: Checkpoint | None = None,
        *,
        validation: Images | None = None,
        compile: bool = False,
        recompute: bool = False,
        bfloat16: bool = False,
        device: str = "cpu",
        world: World = ALONE,
    ) -> None:
        training = config.training
        self.world = world
        self.folder, self.images = folder, images
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeded(training.seed, "weights").initial_seed())
            self.model = build(config.model)
        self.config = RunConfig(self.model.config, training)
        check_images(self.model, images, training.batch_size, world.size)
        check_components(self.model)
        # A dataset's images are of one kind, so that a few tell.
        some = torch.arange(min(len(images.pixels), 1_000))
        self.model.likelihood.check(images.batch(some, seeded(0, "check")))
        self.model.start_from(images.mean())
        if training.init_from is not None and checkpoint is None:
            self._begin_with(training.init_from)
        if bfloat16:
            for module in self.model.modules():
                if isinstance(module, LSTM):
                    module.training_dtype = torch.bfloat16
        self.model.recompute = recompute
        self.model.to(device)
        self.device = torch.device(device)
        self.optimizers = make_optimizers(self.model, training)
        self.average = None
        if training.ema_decay:
            ema = get_ema_multi_avg_fn(training.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.model, multi_avg_fn=ema)
        self.steps_per_epoch = len(images.pixels) // training.batch_size
        self.total = training.epochs * self.steps_per_epoch
        if training.max_steps is not None:
            self.total = min(self.total, training.max_steps)
        self.restarts = [epochs * self.steps_per_epoch for epochs in training.restarts]
        self.validation = validation if self.model.likelihood.is_bound else None
        self.step = self._validated = 0
        self.best: Best | None = None
        if checkpoint is not None:
            self._restore(checkpoint)
        self._terms: Callable[..., Any] = self.model
        if compile:
            self._terms = compile_training(self.model, self.device)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do: all steps are done, or patience is at its end."""
        patience, best = self.config.training.patience, self.best
        if patience is not None and best is not None:
            return self.step >= min(self.total, best.step + patience * self.steps_per_epoch)
        return self.step >= self.total

    def run(
        self,
        *,
        checkpoint_steps: int = 500,
        tensorboard: bool = False,
        stop: Callable[[], bool] = lambda: False,
        report: Callable[[dict[str, Any]], None] = lambda record: None,
    ) -> bool:
        """Trains to the end, or until `stop` says so; both leave a checkpoint and weights.

        Arguments:
            checkpoint_steps: Steps between checkpoints.
            tensorboard: Whether to write TensorBoard events.
            stop: Asked after each step.
            report: Called after each step with its step number, and with each record of the log.

        Returns:
            Whether the end was reached.

        Raises:
            TrainingError: If loss or gradients are not finite; the last checkpoint is kept.
        """
        with (
            torch.random.fork_rng(devices=[]),
            self._log(tensorboard) as log,
        ):
            if self.step == 0 or self.finished:
                self.save()
            sums, start, since = torch.zeros(4, device=self.device), self.step, time.perf_counter()
            while not self.finished:
                with self._saved_if_another_dies():
                    sums += self.train_step()
                    stopping = self.world.any(stop(), self.device)
                saving = stopping or self.step % checkpoint_steps == 0 or self.step == self.total
                if saving or self.step % LOG_STEPS == 0 or self._validates():
                    record = self._record(sums / (self.step - start))
                    images = (self.step - start) * self.config.training.batch_size
                    # Four digits, so that no speed is 0.
                    record["images_per_s"] = float(f"{images / (time.perf_counter() - since):.4g}")
                    if self._validates():
                        with self._saved_if_another_dies():
                            record |= self._validate()
                    if log is not None:
                        log.write(record)
                    report(record)
                    sums, start, since = torch.zeros_like(sums), self.step, time.perf_counter()
                else:
                    report({"step": self.step})
                if saving or self.finished:
                    self.save()
                if stopping and not self.finished:
                    return False
        return True

    def _log(self, tensorboard: bool) -> contextlib.AbstractContextManager[RunLog | None]:
        if self.world.leads:
            return RunLog(self.folder, self.step, tensorboard=tensorboard)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def _saved_if_another_dies(self) -> Iterator[None]:
        try:
            yield
        except DistributedError as error:
            # Processes meet before the optimiser, or after all: this is a step's state. An epoch
            # that is not validated is validated again.
            if not self._validates():
                self.save()
            raise DistributedError(
                f"{error}; the checkpoint in {self.folder} is whole, go on with --resume, "
                "with any number of processes"
            ) from error

    def _validates(self) -> bool:
        """Whether an epoch or the run has ended and is not validated yet."""
        ended = self.step % self.steps_per_epoch == 0 or self.step == self.total
        return self.validation is not None and ended and self._validated < self.step

    def _validate(self) -> dict[str, float]:
        """Measures the bound on validation of the weights as they are used; keeps the best."""
        assert self.validation is not None
        model = self.model if self.average is None else cast(Draw, self.average.module)
        self._seed(0)
        nats, kl = valid_bound(model, self.validation, self.world)
        self._validated = self.step
        if self.best is None or nats < self.best.nats:
            weights = {name: value.cpu().clone() for name, value in model.state_dict().items()}
            self.best = Best(self.step, nats, weights)
        return {"valid_nats": round(nats, 4), "valid_kl": round(kl, 4)}

    def save(self) -> None:
        """Writes the checkpoint, and the weights as a model that can be loaded."""
        if not self.world.leads:
            return
        model = self.model.state_dict()
        # Until the first step there is nothing to average.
        average = {}
        if self.average is not None and self.step > 0:
            average = self.average.module.state_dict()
        # The weights first: a run that is killed in between goes on from the checkpoint before,
        # and writes both again.
        best = self.best
        write_model(self.folder, self.config.model, best.weights if best else average or model)
        optimizer = optimizer_tensors(self.optimizers)
        write_checkpoint(
            self.folder, Checkpoint(self.config, self.step, model, optimizer, average, best)
        )

    def _begin_with(self, name: str) -> None:
        given, own = load(name).state_dict(), self.model.state_dict()
        shapes = [{key: list(value.shape) for key, value in part.items()} for part in (given, own)]
        for key in sorted(given.keys() | own.keys()):
            found, expected = (part.get(key, "not there") for part in shapes)
            if found != expected:
                raise ConfigError(
                    f"the weights of {name} do not fit {self.config.model.name}: {key} is {found} "
                    f"in the place of {expected}; give the run the settings of that model"
                )
        self.model.load_state_dict(given)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.step = self._validated = checkpoint.step
        self.best = checkpoint.best
        try:
            if self.step > self.total:
                raise ValueError(f"step {self.step} of {self.total}")
            restore_optimizers(self.optimizers, checkpoint.optimizer)
            if self.best is not None:
                self.model.load_state_dict(self.best.weights)
            self.model.load_state_dict(checkpoint.model)
            if self.average is not None and self.step > 0:
                self.average.module.load_state_dict(checkpoint.average)
                self.average.n_averaged.fill_(checkpoint.step)
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(
                f"{self.folder / CHECKPOINT} does not fit its own configuration ({error}); start "
                "anew in another folder"
            ) from error

    def train_step(self) -> Tensor:
        """One optimiser step; returns its loss, bound, KL and gradient norm."""
        with ops.fastest(self.device):
            return self._train_step()

    def _train_step(self) -> Tensor:
        training, labels = self.config.training, None
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0 or not hasattr(self, "_order"):
            generator = seeded(training.seed, "order", epoch)
            self._order = torch.randperm(len(self.images.pixels), generator=generator)
        first = position * training.batch_size
        index = self._order[first : first + training.batch_size]
        generator = seeded(training.seed, "step", self.step)
        # All processes draw for the whole batch, so that an image's randomness is its own.
        part = self.world.share(len(index))
        x = self._moved(self.images.batch(index, generator)[part])
        noise = self.model.noise(len(index), self.config.model.steps, generator)[:, part]
        if self.model.encoder.needs_labels and self.images.labels is not None:
            labels = self._moved(self.images.labels[index][part])
        # For components with randomness of their own, such as dropout.
        self._seed(generator.initial_seed() + self.world.rank)
        reconstruction, kl, auxiliary = self._terms(x, noise, labels)
        kl = kl.sum(dim=0).mean()
        bound = reconstruction.mean() + kl
        loss = bound if auxiliary is None else bound + auxiliary.mean()
        means = torch.stack([loss, bound, kl])
        if self.world.size > 1:
            # Of the mean over the whole batch, this process's images are so much.
            means = means * (len(x) / len(index))
        rate = schedule(training, self.step, self.total, self.restarts)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
        self.model.zero_grad()
        means[0].backward()  # type: ignore[no-untyped-call]
        means = self._sum_gradients(means.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.step += 1
        return torch.cat([means, norm.detach()[None]])

    def _seed(self, seed: int) -> None:
        """As `torch.manual_seed`, which looks for every kind of device there is, each time."""
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _moved(self, tensor: Tensor) -> Tensor:
        """The tensor on the device; a GPU fetches it while this goes on to the next step."""
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _sum_gradients(self, means: Tensor) -> Tensor:
        """Adds up gradients and figures over all processes, in one message."""
        if self.world.size == 1:
            return means
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        message = self.world.sum(torch.cat([means, *(g.flatten() for g in gradients)]))
        means, *sums = torch.split(message, [len(means), *(g.numel() for g in gradients)])
        for gradient, total in zip(gradients, sums, strict=True):
            gradient.copy_(total.view_as(gradient))
        return means

    def _record(self, means: Tensor) -> dict[str, Any]:
        # One look for many steps: what is not finite once stays so, in the weights and in the sum.
        if not means.isfinite().all():
            raise TrainingError(
                f"loss or gradient is not finite near step {self.step}; the last good checkpoint "
                f"is kept in {self.folder}: try a lower learning_rate or clip_norm from a new start"
            )
        loss, bound, kl, norm = (round(value, 4) for value in means.tolist())
        return {
            "step": self.step,
            "epoch": round(self.step / self.steps_per_epoch, 3),
            "loss": loss,
            "nats": bound,
            "kl": kl,
            "gradient_norm": norm,
            "learning_rate": self.config.training.learning_rate
            * schedule(self.config.training, self.step - 1, self.total, self.restarts),
        }
