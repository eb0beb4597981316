r"""DRAW: the recurrence and its bound, beside page 3 of the paper.

| eq. | paper | here |
|---|---|---|
| 3–8 | a step of inference | `Draw.step`, line by line |
| 9–12 | \(L = -\log p(x \mid c_T) + \sum_t KL(Q_t \,\|\, P_t)\) | `Draw.forward` |
| 13–16 | a drawing from the prior | `drawzoo.engine.sampling` |

References:
    | DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015)
    | https://arxiv.org/abs/1502.04623
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from drawzoo import ops
from drawzoo.engine.components import Decoder, Encoder, Reader, Writer
from drawzoo.engine.counter import Randomness
from drawzoo.engine.drawing import Bound, State, Step, Terms
from drawzoo.engine.latent import Latent, kl_of_steps
from drawzoo.engine.likelihood import Likelihood
from drawzoo.engine.recomputing import Recomputing
from drawzoo.engine.shown import ShownModel
from drawzoo.errors import ConfigError
from drawzoo.ops.private import map_tensors

__all__ = ["Draw"]


class Draw(ShownModel, Recomputing):
    """DRAW from six components; `drawzoo.build` makes one from a configuration.

    Arguments:
        reader: The read operation.
        encoder: The encoder network.
        latent: The posterior and the prior of the codes.
        decoder: The decoder network.
        writer: The write operation.
        likelihood: The observation model.
        steps: T, the number of steps.
    """

    def __init__(
        self,
        reader: Reader,
        encoder: Encoder,
        latent: Latent,
        decoder: Decoder,
        writer: Writer,
        likelihood: Likelihood,
        *,
        steps: int = 10,
    ) -> None:
        super().__init__()
        self.steps = steps
        # Checkpoints of format 1 name parameters by their number, in this order.
        self.reader, self.encoder, self.writer = reader, encoder, writer
        self.latent, self.decoder, self.likelihood = latent, decoder, likelihood
        self.initial_canvas = nn.Parameter(torch.zeros(likelihood.canvas_shape))

    def start_from(self, mean: Tensor) -> None:
        """Sets the initial canvas to a mean image [C, H, W], so that a drawing starts there."""
        with torch.no_grad():
            self.initial_canvas.copy_(self.likelihood.canvas(mean[None])[0])

    def initial_state(self, batch: int) -> State:
        """The learned state before the first step."""
        decoder = self.decoder.initial_state(batch)
        canvas = self.initial_canvas.expand(batch, *self.initial_canvas.shape)
        return State(canvas, self.encoder.initial_state(batch), decoder[0], decoder)

    def step(self, x: Tensor, context: Any, noise: Tensor, state: State) -> Step:
        """One step of inference, a pure function of its arguments.

        Arguments:
            x: The images, [B, C, H, W].
            context: What the encoder prepared from x.
            noise: Standard normal noise of this step, the shape of codes.
            state: The state before the step.
        """
        canvas, encoder, h_dec, decoder = state
        error = x - self.likelihood.mean(canvas)  # eq. 3
        glimpse, read = self.reader(x, error, h_dec)  # eq. 4
        h_enc, encoder = self.encoder(glimpse, h_dec, encoder, context)  # eq. 5
        posterior, prior = self.latent.posterior(h_enc), self.latent.prior(h_dec)  # eq. 1 and 2
        z = posterior.at(noise)  # eq. 6
        h_dec, decoder = self.decoder(z, decoder, canvas)  # eq. 7
        patch, write = self.writer(h_dec)  # eq. 8
        state = State(canvas + patch, encoder, h_dec, decoder)
        return Step(state, z, posterior, prior, read, write)

    def inference(
        self, x: Tensor, context: Any, noise: Tensor, state: State | None = None
    ) -> Iterator[Step]:
        """All steps from a state, or from the initial one, one for each noise in [T, B, ...]."""
        if not len(noise):
            raise ConfigError(f"{self.name} takes noise of one step or more, got none")
        if state is None:
            state = self.initial_state(len(x))
        for noise_t in noise:
            step = self.step(x, context, noise_t, state)
            state = step.state
            yield step

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> Terms:
        """The parts of the loss, a pure function of its arguments: made to be compiled.

        Arguments:
            x: Images, [B, C, H, W].
            noise: Standard normal noise, [T, B, ...]; see `noise`.
            labels: Class labels, [B], for an encoder that needs them.
        """
        context = self.encoder.prepare(x)
        state, posteriors, priors = self.inferred(x, context, noise)
        reconstruction = self.likelihood.nats(state.canvas, x)  # eq. 9
        kl = kl_of_steps(posteriors, priors)  # eq. 10 and 11
        auxiliary = None
        if labels is not None and self.encoder.needs_labels:
            auxiliary = self.encoder.auxiliary_loss(context, labels)
        return Terms(reconstruction, kl, auxiliary)

    def loss(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        *,
        generator: Randomness | None = None,
    ) -> Tensor:
        """What training minimises, in nats an image: the mean bound, eq. 12, to `.backward()`.

        Arguments:
            x: Images, [B, C, H, W].
            labels: Class labels, [B]; an encoder that needs them adds its own loss.
            generator: The source of the noise.
        """
        x = self.checked(x)
        terms = self(x, self.noise(len(x), self.steps, generator), labels)
        loss: Tensor = terms.reconstruction + terms.kl.sum(dim=0)
        return (loss if terms.auxiliary is None else loss + terms.auxiliary).mean()

    @torch.no_grad()
    def bound(self, x: Tensor, *, generator: Randomness | None = None) -> Bound:
        """The negative log-likelihood bound, eq. 12, from one sample of the latent codes.

        Arguments:
            x: Images, [B, C, H, W].
            generator: The source of randomness.

        Raises:
            ConfigError: If x is not in the likelihood's support, so that there is no bound.
        """
        x = self.observed(x)
        noise = self.noise(len(x), self.steps, generator)
        with ops.fastest(x.device):
            reconstruction, kl, _ = self(x, noise)
        nats = reconstruction + kl.sum(dim=0)
        self.check_finite(nats)
        return Bound(nats, kl, reconstruction)

    @torch.no_grad()
    def log_weights(self, x: Tensor, noise: Tensor) -> Tensor:
        r"""The logarithms of K importance weights of each image, [K, B], in nats.

        \[\log p(x \mid c_T) + \sum_t (\log P(z_t) - \log Q(z_t \mid h^{enc}_t))\]

        at codes drawn from the posterior. The mean of one is minus the bound of eq. 12; the
        logarithm of the mean of K weights is, on average, closer to log p(x) the larger K is
        (Burda et al., 2016, https://arxiv.org/abs/1509.00519).

        Arguments:
            x: Images, [B, C, H, W].
            noise: Standard normal noise, [T, K, B, ...].
        """
        x, (samples, batch) = self.observed(x), noise.shape[1:3]
        context = self.encoder.prepare(x)
        context = map_tensors(lambda part: part.repeat(samples, *[1] * (part.dim() - 1)), context)
        x, noise = x.repeat(samples, 1, 1, 1), noise.flatten(1, 2)
        weights = x.new_zeros(len(x))
        with ops.fastest(x.device):
            for step, noise_t in zip(self.inference(x, context, noise), noise, strict=True):
                weights = weights + step.posterior.log_ratio(noise_t, step.prior)
        weights = weights - self.likelihood.nats(step.state.canvas, x)
        self.check_finite(weights)
        return weights.view(samples, batch)
