"""Trains seeds of a model side by side on one GPU: `python benchmarks/train_seeds.py draw-mnist`.

A training step is some thousand kernels of a few microseconds each, and one run leaves most of a
GPU idle. Here the weights of all seeds are stacked: every kernel works for all of them. One step of
drawing is compiled, whatever T, and a whole training step is one CUDA graph.

The recipe is `drawzoo train MODEL --seeds … --set validation=0 --device cuda --precision tf32`, and
each seed gets the folder that this command would give it, for `drawzoo evaluate` and `drawzoo
card`. Initial weights are the same; images, their order, binarisation and noise are of the GPU's
generator. Nothing is saved before the end.

Several such programs at once, after `nvidia-cuda-mps-control -d`, fill a GPU better than one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.func import functional_call

from drawzoo.commands import data_root
from drawzoo.data.images import Images, load_dataset
from drawzoo.engine.draw import Draw
from drawzoo.engine.drawing import State
from drawzoo.engine.randomness import seeded
from drawzoo.engine.saving import write_model
from drawzoo.registry.build import build, model_config
from drawzoo.schema.model import ModelConfig
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.training.checkpoint import Checkpoint, write_checkpoint
from drawzoo.training.log import LOG
from drawzoo.training.loop import LOG_STEPS, schedule
from drawzoo.training.muon import matrices, orthogonalize
from drawzoo.training.run_options import CHECKPOINT_STEPS, write_options

MOMENTUM, BETAS, EPSILON = 0.95, (0.9, 0.999), 1e-8
"""Of Muon and of Adam, as `drawzoo.training.optimizers` has them."""


class Part(nn.Module):
    """A method of a model as a module's forward, for `functional_call`."""

    def __init__(self, model: Draw, method: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *args: Any) -> Any:
        """The method's result."""
        return self.method(self.model, *args)

    def at(self, weights: dict[str, Tensor], *args: Any) -> Any:
        """The method's result with other weights."""
        named = {f"model.{name}": weight for name, weight in weights.items()}
        return functional_call(self, named, args)


def flat(state: State) -> tuple[Tensor, ...]:
    """The tensors of a state."""
    return state.canvas, state.h_dec, *state.encoder, *state.decoder


def filled(gradients: Sequence[Tensor | None], of: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of tensors, zeros in the place of None."""
    pairs = zip(gradients, of, strict=True)
    return [torch.zeros_like(tensor) if d is None else d for d, tensor in pairs]


class Stacked:
    """S models of one kind; every tensor has the seeds as its first dimension, S.

    Arguments:
        config: The model.
        seeds: Of the initial weights.
        images: The images to train on, whose mean drawings start from.
        batch: Images in a step, of each seed.
        device: Where to train.
        compile: Whether to compile the step of drawing.
    """

    def __init__(
        self,
        config: ModelConfig,
        seeds: Sequence[int],
        images: Images,
        batch: int,
        device: torch.device,
        *,
        compile: bool = True,
    ) -> None:
        models = []
        for seed in seeds:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seeded(seed, "weights").initial_seed())
                models.append(build(config))
            models[-1].start_from(images.mean())
        self.seeds, self.batch, self.device = seeds, batch, device
        each = [dict(model.named_parameters()) for model in models]
        self.weights = {
            name: torch.stack([one[name].detach() for one in each]).to(device).requires_grad_()
            for name in each[0]
        }
        blocks = matrices(models[0])
        self.blocks = {name: blocks[p] for name, p in each[0].items() if p in blocks}
        self.gradients = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        self.model = models[0].to(device)
        self.prepare = Part(self.model, lambda model, x: model.encoder.prepare(x))
        self.start = Part(self.model, lambda model: flat(model.initial_state(batch)))
        self.step = Part(self.model, self._step)
        self.encoder_parts = len(self.model.encoder.initial_state(1))
        one_image = torch.zeros(1, *config.image, device=device)
        self.informed = self.model.encoder.prepare(one_image) is not None
        self.used = [name for name in self.weights if name != "initial_canvas"]
        self.learns: list[bool] | None = None
        stacked = torch.vmap(self.step.at, randomness="different")

        def one(weights: list[Tensor], *args: Tensor) -> Any:
            return stacked(dict(zip(self.used, weights, strict=True)), *args)

        self.one = torch.compile(one, dynamic=False) if compile else one

    def _step(self, model: Draw, x: Tensor, noise: Tensor, *given: Tensor) -> Any:
        """KL and state after a step of drawing, of the context if there is one and the state."""
        context, state = (given[0], given[1:]) if self.informed else (None, given)
        canvas, h_dec, *rest = state
        encoder, decoder = rest[: self.encoder_parts], rest[self.encoder_parts :]
        before = State(canvas, tuple(encoder), h_dec, tuple(decoder))
        step = model.step(x, context, noise, before)
        return step.posterior.kl(step.prior), *flat(step.state)

    def differentiate(self, x: Tensor, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Leaves the gradients in `gradients`; returns loss, bound and KL, [S, 3].

        Backwards through time by hand: the gradients of a weight's T uses are added by few kernels.

        Arguments:
            x: [S, B, C, H, W].
            noise: [T, S, B, ...].
            labels: [S, B], for an encoder that needs them.
        """
        alone = [{name: w[s] for name, w in self.weights.items()} for s in range(len(self.seeds))]
        first = [torch.stack(parts) for parts in zip(*map(self.start.at, alone), strict=True)]
        contexts, context = [], []
        if self.informed:
            contexts = [torch.stack([self.prepare.at(own, x[s]) for s, own in enumerate(alone)])]
            context = [contexts[0].detach().requires_grad_()]
        weights = [self.weights[name].detach().requires_grad_() for name in self.used]
        state, tape = [part.detach().requires_grad_() for part in first], []
        for noise_t in noise:
            kl, *after = self.one(weights, x, noise_t, *context, *state)
            tape.append((state, kl, after))
            state = [part.detach().requires_grad_() for part in after]
        canvas, kl = state[0], sum(kl.detach() for _, kl, _ in tape).mean(dim=1)
        nats = torch.stack(list(map(self.model.likelihood.nats, canvas, x))).mean(dim=1)
        auxiliary = torch.zeros_like(kl)
        if labels is not None:
            losses = map(self.model.encoder.auxiliary_loss, *context, labels)
            auxiliary = torch.stack([each.mean() for each in losses])
        loss = (nats + auxiliary).sum()
        found = torch.autograd.grad(loss, [canvas, *context], allow_unused=True)
        d_canvas, *d_context = filled(found, [canvas, *context])
        torch._foreach_zero_(list(self.gradients.values()))
        d_kl = torch.full_like(tape[0][1], 1 / self.batch)
        d_state = [d_canvas, *map(torch.zeros_like, state[1:])]
        for before, kl_t, after in reversed(tape):
            wanted = [*weights, *before, *context]
            found = torch.autograd.grad([kl_t, *after], wanted, [d_kl, *d_state], allow_unused=True)
            self._add(found[: len(weights)])
            rest = found[len(weights) :]
            d_state = filled(rest[: len(before)], before)
            more = rest[len(before) :]
            d_context = [d if m is None else d + m for d, m in zip(d_context, more, strict=True)]
        ends, d_ends = [*first, *contexts], [*d_state, *d_context]
        rest = torch.autograd.grad(ends, list(self.weights.values()), d_ends, allow_unused=True)
        for gradient, more in zip(self.gradients.values(), rest, strict=True):
            if more is not None:
                gradient.add_(more)
        bound = nats.detach() + kl
        return torch.stack([bound + auxiliary.detach(), bound, kl], dim=1)

    def _add(self, found: Sequence[Tensor | None]) -> None:
        """Adds what a step of drawing has found to the gradients of the weights it uses."""
        if self.learns is None:
            self.learns = [gradient is not None for gradient in found]
        sums = list(itertools.compress((self.gradients[name] for name in self.used), self.learns))
        torch._foreach_add_(sums, list(itertools.compress(found, self.learns)))


class Optimizer:
    """The optimiser `muon` of `drawzoo train`, for stacked weights; clips each seed's gradient."""

    def __init__(self, stacked: Stacked, training: TrainingConfig) -> None:
        self.stacked, self.training = stacked, training
        suited = stacked.blocks
        self.momentum = {name: torch.zeros_like(stacked.weights[name]) for name in suited}
        rest = [name for name in stacked.weights if name not in suited]
        self.first = {name: torch.zeros_like(stacked.weights[name]) for name in rest}
        self.second = {name: torch.zeros_like(stacked.weights[name]) for name in rest}

    @torch.no_grad()
    def step(self, rate: Tensor, number: Tensor) -> Tensor:
        """One step; returns the norms of the gradients, [S].

        Arguments:
            rate: The part of the learning rates that the step has.
            number: Steps done before.
        """
        gradients = self.stacked.gradients
        seeds = len(self.stacked.seeds)
        norm = torch.cat([g.view(seeds, -1) for g in gradients.values()], dim=1).norm(dim=1)
        scale = (self.training.clip_norm / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients.values():
            gradient.mul_(scale.view(seeds, *[1] * (gradient.dim() - 1)))
        self._muon(rate * self.training.matrix_learning_rate)
        self._adam(rate * self.training.learning_rate, number + 1)
        return norm

    def _muon(self, rate: Tensor) -> None:
        names, momenta = list(self.momentum), list(self.momentum.values())
        gradients = [self.stacked.gradients[name] for name in names]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        shapes: dict[torch.Size, list[tuple[str, Tensor]]] = {}
        for name, update in zip(
            names, torch._foreach_lerp(gradients, momenta, MOMENTUM), strict=True
        ):
            count = len(update) * self.stacked.blocks[name]
            update = update.reshape(count, -1, math.prod(update.shape[2:]))
            shapes.setdefault(update.shape[1:], []).append((name, update))
        for (rows, columns), same in shapes.items():
            directions = orthogonalize(torch.cat([update for _, update in same]))
            parts = torch.split(directions, [len(update) for _, update in same])
            for (name, _), direction in zip(same, parts, strict=True):
                weight = self.stacked.weights[name]
                if self.training.weight_decay:
                    weight.mul_(1 - rate * self.training.weight_decay)
                scale = max(1.0, rows / columns) ** 0.5
                weight.sub_(direction.reshape(weight.shape) * (rate * scale))

    def _adam(self, rate: Tensor, number: Tensor) -> None:
        gradients = [self.stacked.gradients[name] for name in self.first]
        first, second = list(self.first.values()), list(self.second.values())
        torch._foreach_lerp_(first, gradients, 1 - BETAS[0])
        torch._foreach_mul_(second, BETAS[1])
        torch._foreach_addcmul_(second, gradients, gradients, 1 - BETAS[1])
        roots = torch._foreach_sqrt(second)
        torch._foreach_div_(roots, (1 - BETAS[1] ** number).sqrt())
        torch._foreach_add_(roots, EPSILON)
        steps = torch._foreach_div(first, roots)
        torch._foreach_mul_(steps, rate / (1 - BETAS[0] ** number))
        torch._foreach_sub_([self.stacked.weights[name] for name in self.first], steps)


class Runs:
    """The trainings: on the GPU a step is a replay, and the host only counts.

    Arguments:
        stacked: The models.
        training: Their optimisation.
        images: The images to train on.
    """

    def __init__(self, stacked: Stacked, training: TrainingConfig, images: Images) -> None:
        self.stacked, self.optimizer = stacked, Optimizer(stacked, training)
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
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        restore()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        restore()
        return graph.replay

    def write(self, out: Path, config: ModelConfig, training: TrainingConfig, took: float) -> None:
        """The folder of each seed's run."""
        total = len(self.history)
        speed = float(f"{total * training.batch_size / took:.4g}")
        for s, seed in enumerate(self.stacked.seeds):
            folder = out / f"seed-{seed}"
            folder.mkdir(parents=True)
            weights = {name: w[s].detach().cpu() for name, w in self.stacked.weights.items()}
            run = RunConfig(config, msgspec.structs.replace(training, seed=seed))
            write_model(folder, config, weights)
            write_checkpoint(folder, Checkpoint(run, total, weights, {}, {}))
            write_options(folder, None, CHECKPOINT_STEPS, "tf32")
            lines, done = [], 0
            for part in self.history[:, s].cpu().split(LOG_STEPS):
                done += len(part)
                loss, nats, kl, norm = (round(value, 4) for value in part.mean(dim=0).tolist())
                record = {"step": done, "epoch": round(done / self.per_epoch, 3), "loss": loss}
                record |= {"nats": nats, "kl": kl, "gradient_norm": norm, "images_per_s": speed}
                lines.append(json.dumps(record) + "\n")
            (folder / LOG).write_text("".join(lines))


def main() -> None:
    """Trains, and writes the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=TrainingConfig().epochs)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.out.exists():
        parser.error(f"{args.out} is there already; name another folder")
    if not torch.cuda.is_available():
        parser.error("there is no GPU; use drawzoo train --seeds")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    with torch.device("meta"):
        config = build(model_config(args.model)).config
    training = TrainingConfig(epochs=args.epochs, weight_decay=args.weight_decay, validation=0)
    images = load_dataset(config.dataset, "train", data_root(args.data), image=config.image)
    seeds = [int(seed) for seed in args.seeds.split(",")]
    stacked = Stacked(config, seeds, images, training.batch_size, torch.device("cuda"))
    runs = Runs(stacked, training, images)
    step = runs.replayed()
    torch.manual_seed(seeds[0])
    start = time.perf_counter()
    for epoch in range(training.epochs):
        runs.shuffle()
        for _ in range(runs.per_epoch):
            step()
        last = runs.history[epoch * runs.per_epoch : (epoch + 1) * runs.per_epoch, :, 1]
        nats = " ".join(f"{value:.2f}" for value in last.mean(dim=0).tolist())
        print(f"epoch {epoch + 1} of {training.epochs}: {nats} nats", flush=True)
    runs.write(args.out, config, training, time.perf_counter() - start)


if __name__ == "__main__":
    main()
