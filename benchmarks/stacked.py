"""Models of one kind whose weights are stacked, and their optimiser: for `train_seeds.py`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from drawzoo.data.images import Images
from drawzoo.engine.draw import Draw
from drawzoo.engine.drawing import State
from drawzoo.engine.randomness import seeded
from drawzoo.errors import ConfigError
from drawzoo.registry.build import build
from drawzoo.schema.model import ModelConfig
from drawzoo.schema.training import TrainingConfig
from drawzoo.training.checks import check_components, check_images
from drawzoo.training.muon import matrices, orthogonalize

__all__ = ["Optimizer", "Stacked"]

MOMENTUM, BETAS, EPSILON = 0.95, (0.9, 0.999), 1e-8
"""Of `drawzoo.training.muon.Muon`, and of Adam as torch has them unless told otherwise."""


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

    Raises:
        ConfigError: If the encoder's context is more than a tensor, or the images do not fit.
        DataError: If the images have no labels, and the encoder needs some.
        PluginError: If a component has a mistake.
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
        check_images(models[0], images, batch, 1)
        for model in models:
            model.start_from(images.mean())
        check_components(models[0])
        some = images.batch(torch.arange(min(len(images.pixels), 1_000)))
        models[0].likelihood.check(some)
        prepared = models[0].encoder.prepare(some[:2])
        if not (prepared is None or isinstance(prepared, Tensor)):
            raise ConfigError(
                f"the encoder of {config.name} prepares more than one tensor, which cannot be "
                "stacked here; use drawzoo train --seeds"
            )
        self.informed = prepared is not None
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
        self.end = Part(self.model, self._end)
        self.encoder_parts = len(self.model.encoder.initial_state(1))
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

    def _end(
        self, model: Draw, x: Tensor, canvas: Tensor, context: Tensor | None, labels: Tensor | None
    ) -> Tensor:
        """Mean reconstruction and auxiliary loss of one seed, [2]."""
        nats = model.likelihood.nats(canvas, x).mean()
        if labels is None:
            return torch.stack([nats, torch.zeros_like(nats)])
        return torch.stack([nats, model.encoder.auxiliary_loss(context, labels).mean()])

    def differentiate(self, x: Tensor, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Leaves the gradients in `gradients`; returns loss, bound and KL in nats, [S, 3].

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
            # Cut off here, and before each step: the way back is taken piece by piece below.
            context = [contexts[0].detach().requires_grad_()]
        weights = [self.weights[name].detach().requires_grad_() for name in self.used]
        state, tape = [part.detach().requires_grad_() for part in first], []
        for noise_t in noise:
            kl, *after = self.one(weights, x, noise_t, *context, *state)
            tape.append((state, kl, after))
            state = [part.detach().requires_grad_() for part in after]
        canvas, kl = state[0], sum(kl.detach() for _, kl, _ in tape).mean(dim=1)
        losses = torch.stack(
            [
                self.end.at(
                    own,
                    x[s],
                    canvas[s],
                    context[0][s] if self.informed else None,
                    None if labels is None else labels[s],
                )
                for s, own in enumerate(alone)
            ]
        )
        every = list(self.weights.values())
        found = torch.autograd.grad(losses.sum(), [canvas, *context, *every], allow_unused=True)
        d_canvas, *d_context = filled(found[: 1 + len(context)], [canvas, *context])
        torch._foreach_zero_(list(self.gradients.values()))
        self._add_all(found[1 + len(context) :])
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
        # A state may begin with constants.
        ends = zip([*first, *contexts], [*d_state, *d_context], strict=True)
        ends, d_ends = zip(*((end, d) for end, d in ends if end.requires_grad), strict=True)
        self._add_all(torch.autograd.grad(ends, every, d_ends, allow_unused=True))
        nats, auxiliary = losses.detach().unbind(dim=1)
        return torch.stack([nats + kl + auxiliary, nats + kl, kl], dim=1)

    def _add_all(self, found: Sequence[Tensor | None]) -> None:
        """Adds gradients of all weights."""
        for gradient, more in zip(self.gradients.values(), found, strict=True):
            if more is not None:
                gradient.add_(more)

    def _add(self, found: Sequence[Tensor | None]) -> None:
        """Adds what a step of drawing has found to the gradients of the weights it uses."""
        # Which these are is the same in every step.
        if self.learns is None:
            self.learns = [gradient is not None for gradient in found]
        sums = list(itertools.compress((self.gradients[name] for name in self.used), self.learns))
        torch._foreach_add_(sums, list(itertools.compress(found, self.learns)))


class Optimizer:
    """The optimiser `muon` of `drawzoo train`, for stacked weights; clips each seed's gradient.

    Arguments:
        stacked: The models, whose `gradients` it takes.
        training: The learning rates, weight decay and norm.
    """

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
        if not self.momentum:
            return
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
