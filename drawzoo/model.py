r"""The DRAW model: the recurrence, its bound, and what can be drawn with it.

Beside page 3 of the paper, with \(σ\) the likelihood's mean:

| eq. | paper | here |
|---|---|---|
| 3 | \(\hat x_t = x - σ(c_{t-1})\) | `Draw.infer` |
| 4 | \(r_t = read(x_t, \hat x_t, h^{dec}_{t-1})\) | `Draw.infer` |
| 5 | \(h^{enc}_t = RNN^{enc}(h^{enc}_{t-1}, [r_t, h^{dec}_{t-1}])\) | `Draw.infer` |
| 6 | \(z_t \sim Q(Z_t \mid h^{enc}_t)\) | `Draw.step` |
| 7 | \(h^{dec}_t = RNN^{dec}(h^{dec}_{t-1}, z_t)\) | `Draw.generate` |
| 8 | \(c_t = c_{t-1} + write(h^{dec}_t)\) | `Draw.generate` |
| 9–12 | \(L = -\log p(x \mid c_T) + \sum_t KL(Q_t \,\|\, P)\) | `Draw.forward` |

References:
    | DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015)
    | https://arxiv.org/abs/1502.04623
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from drawzoo.components import Encoder, EncoderState, Reader, Window, Writer
from drawzoo.config import ModelConfig
from drawzoo.drawing import Drawing, join
from drawzoo.errors import ConfigError, WeightsError
from drawzoo.likelihood import LIKELIHOODS
from drawzoo.recurrent import LSTM

__all__ = [
    "Bound",
    "Codes",
    "Draw",
    "Posterior",
    "State",
    "Step",
    "Terms",
    "gaussian_kl",
    "gaussian_log_ratio",
]

CHUNK = 100
"""Images whose noise is drawn at once, so that an image's does not depend on `num`."""

WRITTEN = 64
"""Steps that are written at once, at most: it bounds the memory."""

GROUP = 5
"""Chunks that are decoded at once: it bounds the memory, and larger batches are no faster."""


class State(NamedTuple):
    """What one step hands to the next."""

    canvas: Tensor
    """c_t, [B, C, H, W]."""
    encoder: EncoderState
    decoder: tuple[Tensor, Tensor]
    """h_dec and the cell, each [B, D]."""


class Posterior(NamedTuple):
    """The diagonal Gaussian Q(Z_t | h_enc), [B, Z] each, or of all steps, [T, B, Z]."""

    mean: Tensor
    log_std: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """The code μ + σ ε for standard normal noise ε [B, Z]."""
        return self.mean + self.log_std.exp() * noise


class Step(NamedTuple):
    """What one step of inference gives."""

    state: State
    z: Tensor
    """The sample of the posterior, [B, Z]."""
    posterior: Posterior
    read: Window | None
    write: Window | None


class Terms(NamedTuple):
    """The parts of the training loss, in nats."""

    reconstruction: Tensor
    """−log p(x | c_T), [B]."""
    kl: Tensor
    """KL(Q_t ‖ P) of each step, [T, B]."""
    auxiliary: Tensor | None
    """The encoder's own extra loss, [B], if it has one and labels were given."""


class Bound(Tensor):
    """The negative log-likelihood bound of each image in nats, [B], with its parts beside it.

    A plain tensor to compute with; the results of computations are plain tensors.
    """

    kl: Tensor
    """KL of each step and image, [T, B]."""
    reconstruction: Tensor
    """−log p(x | c_T) of each image, [B]."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> Bound:
        copy: Bound = self.as_subclass(Tensor).clone().as_subclass(Bound)
        copy.kl, copy.reconstruction = self.kl.clone(), self.reconstruction.clone()
        memo[id(self)] = copy
        return copy


class Codes(NamedTuple):
    """The latent codes inferred from a batch of images, [T, B, Z] each."""

    z: Tensor
    """A sample of the posterior: all that the decoder needs to draw the images again."""
    mean: Tensor
    """The posterior's mean at each step; from the second on it depends on the z before."""
    log_std: Tensor
    """The logarithm of its standard deviation."""


def gaussian_log_ratio(posterior: Posterior, noise: Tensor) -> Tensor:
    r"""The log-ratio log P(z) − log Q(z) at z = μ + σ ε, summed over dimensions, [B].

    \[\sum_i (\log σ_i + \tfrac12 ε_i^2 - \tfrac12 z_i^2)\]

    Its mean over ε is −`gaussian_kl`.
    """
    z = posterior.at(noise)
    return (posterior.log_std + 0.5 * (noise.square() - z.square())).sum(dim=1)


def gaussian_kl(posterior: Posterior) -> Tensor:
    r"""KL(N(μ, σ²) ‖ N(0, 1)) summed over the last dimension, eq. 11.

    \[\tfrac12 \sum_i (μ_i^2 + σ_i^2 - \log σ_i^2 - 1)\]

    Note that the −½ counts once for each dimension.
    """
    mean, log_std = posterior
    return 0.5 * (mean.square() + (2 * log_std).exp() - 2 * log_std - 1).sum(dim=-1)


class Draw(nn.Module):
    """DRAW with exchangeable encoder, read and write.

    Arguments:
        config: The model's configuration.
        reader: The read operation.
        encoder: The encoder network.
        writer: The write operation.
    """

    matrix_blocks: ClassVar[dict[str, int]] = {"posterior.weight": 1}

    def __init__(
        self, config: ModelConfig, reader: Reader, encoder: Encoder, writer: Writer
    ) -> None:
        super().__init__()
        self.config = config
        self.reader, self.encoder, self.writer = reader, encoder, writer
        self.likelihood = LIKELIHOODS[config.likelihood]
        self.posterior = nn.Linear(encoder.out_features, 2 * config.latent)
        self.decoder = LSTM(config.latent, config.decoder)
        self.initial_canvas = nn.Parameter(torch.zeros(config.image))
        with torch.no_grad():
            # The first posteriors have a standard deviation near 1, the prior's.
            self.posterior.weight[config.latent :] *= 0.1
            self.posterior.bias.zero_()

    def start_from(self, mean: Tensor) -> None:
        """Sets the initial canvas to a mean image [C, H, W], so that a drawing starts there."""
        with torch.no_grad():
            self.initial_canvas.copy_(self.likelihood.canvas(mean))

    # The recurrence

    def initial_state(self, batch: int) -> State:
        """The learned state before the first step."""
        return State(
            self.initial_canvas.expand(batch, *self.initial_canvas.shape),
            self.encoder.initial_state(batch),
            self.decoder.initial_state(batch),
        )

    def infer(
        self, x: Tensor, context: Tensor | None, state: State
    ) -> tuple[Posterior, EncoderState, Window | None]:
        """Reads, encodes, and gives the posterior of z_t: eq. 3 to 5, 1 and 2."""
        h_dec, _ = state.decoder
        error = x - self.likelihood.mean(state.canvas)
        glimpse, window = self.reader(x, error, h_dec)
        h_enc, encoder = self.encoder(glimpse, h_dec, state.encoder, context)
        mean, log_std = self.posterior(h_enc).chunk(2, dim=1)
        return Posterior(mean, log_std), encoder, window

    def generate(
        self, z: Tensor, canvas: Tensor, decoder: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Window | None]:
        """Decodes z_t [B, Z] and writes to the canvas: eq. 7 and 8."""
        decoder = self.decoder(decoder, z)
        patch, window = self.writer(decoder[0])
        return canvas + patch, decoder, window

    def step(self, x: Tensor, context: Tensor | None, noise: Tensor, state: State) -> Step:
        """One step of inference, a pure function of its arguments.

        Arguments:
            x: The images, [B, C, H, W].
            context: What the encoder prepared from x.
            noise: Standard normal noise of this step, [B, Z].
            state: The state before the step.
        """
        posterior, encoder, read = self.infer(x, context, state)
        z = posterior.at(noise)
        canvas, decoder, write = self.generate(z, state.canvas, state.decoder)
        return Step(State(canvas, encoder, decoder), z, posterior, read, write)

    def _steps(self, x: Tensor, context: Tensor | None, noise: Tensor) -> Iterator[Step]:
        if not len(noise):
            raise ConfigError(f"{self.config.name} takes noise of one step or more, got none")
        state = self.initial_state(len(x))
        for noise_t in noise:
            step = self.step(x, context, noise_t, state)
            state = step.state
            yield step

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> Terms:
        """The parts of the loss, a pure function of its arguments: made to be compiled.

        Arguments:
            x: Images, [B, C, H, W].
            noise: Standard normal noise, [T, B, Z]; see `noise`.
            labels: Class labels, [B], for an encoder that needs them.
        """
        context = self.encoder.prepare(x)
        posteriors = []
        for step in self._steps(x, context, noise):
            posteriors.append(step.posterior)
        auxiliary = None
        if labels is not None and self.encoder.needs_labels:
            auxiliary = self.encoder.auxiliary_loss(context, labels)
        kl = gaussian_kl(Posterior(*map(torch.stack, zip(*posteriors, strict=True))))
        return Terms(self.likelihood.nats(step.state.canvas, x), kl, auxiliary)

    # Randomness

    def noise(self, batch: int, steps: int, generator: torch.Generator | None = None) -> Tensor:
        """Fresh standard normal noise for every step, [T, B, Z].

        It is drawn step by step, so that fewer steps use the beginning of the same noise.
        """
        like = self.initial_canvas
        device = like.device if generator is None else generator.device
        draws = [
            torch.randn(
                batch, self.config.latent, generator=generator, device=device, dtype=like.dtype
            )
            for _ in range(steps)
        ]
        return torch.stack(draws).to(like.device)

    # Inference

    @torch.no_grad()
    def bound(self, x: Tensor, *, generator: torch.Generator | None = None) -> Bound:
        """The negative log-likelihood bound, eq. 12, from one sample of the latent codes.

        Arguments:
            x: Images, [B, C, H, W].
            generator: The source of randomness.

        Raises:
            ConfigError: If x is not in the likelihood's support, so that there is no bound.

        Returns:
            Nats for each image, [B], with `.kl` [T, B] and `.reconstruction` [B] beside it.
        """
        x = self._checked(x)
        self.likelihood.check(x)
        reconstruction, kl, _ = self(x, self.noise(len(x), self.config.steps, generator))
        bound: Bound = (reconstruction + kl.sum(dim=0)).as_subclass(Bound)
        bound.kl, bound.reconstruction = kl, reconstruction
        self._check_finite(bound)
        return bound

    @torch.no_grad()
    def log_weights(self, x: Tensor, noise: Tensor) -> Tensor:
        r"""The logarithms of K importance weights of each image, [K, B], in nats.

        \[\log p(x \mid c_T) + \sum_t (\log P(z_t) - \log Q(z_t \mid h^{enc}_t))\]

        at codes drawn from the posterior. The mean of one is minus the bound of eq. 12; the
        logarithm of the mean of K weights is, on average, closer to log p(x) the larger K is
        (Burda et al., 2016, https://arxiv.org/abs/1509.00519).

        Arguments:
            x: Images, [B, C, H, W].
            noise: Standard normal noise, [T, K, B, Z].
        """
        x, (samples, batch) = self._checked(x), noise.shape[1:3]
        self.likelihood.check(x)
        context = self.encoder.prepare(x)
        context = tree_map_only(
            Tensor, lambda part: part.repeat(samples, *[1] * (part.dim() - 1)), context
        )
        x, noise = x.repeat(samples, 1, 1, 1), noise.flatten(1, 2)
        log_ratio = x.new_zeros(len(x))
        for step, noise_t in zip(self._steps(x, context, noise), noise, strict=True):
            log_ratio = log_ratio + gaussian_log_ratio(step.posterior, noise_t)
        weights = log_ratio - self.likelihood.nats(step.state.canvas, x)
        self._check_finite(weights)
        return weights.view(samples, batch)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """The logits of the classes of images x [B, C, H, W] by a classifying encoder, [B, K].

        Raises:
            ConfigError: If the encoder does not classify.
        """
        if type(self.encoder).classify is Encoder.classify:
            raise ConfigError(
                f"{self.config.name} does not classify: its encoder, "
                f"{self.config.encoder.name}, has no classifier"
            )
        logits = self.encoder.classify(self.encoder.prepare(self._checked(x)))
        self._check_finite(logits)
        return logits

    @torch.no_grad()
    def reconstruct(self, x: Tensor, *, generator: torch.Generator | None = None) -> Drawing:
        """Draws each image of x [B, C, H, W] again, through the codes inferred from it."""
        steps = self._inferred(x, generator)
        return self._drawing(
            [step.state.canvas for step in steps],
            [step.read for step in steps],
            [step.write for step in steps],
        )

    @torch.no_grad()
    def encode(self, x: Tensor, *, generator: torch.Generator | None = None) -> Codes:
        """The latent codes of images, those through which `reconstruct` draws them again.

        Arguments:
            x: Images, [B, C, H, W].
            generator: The source of randomness.

        Returns:
            A sample and the posterior it is from, [T, B, Z] each; `decode(codes.z)` has exactly
            the canvases of `reconstruct(x)` with a generator in the same state.
        """
        steps = self._inferred(x, generator)
        codes = Codes(
            torch.stack([step.z for step in steps]),
            torch.stack([step.posterior.mean for step in steps]),
            torch.stack([step.posterior.log_std for step in steps]),
        )
        self._check_finite(codes.z, gaussian_kl(Posterior(codes.mean, codes.log_std)))
        return codes

    def _inferred(self, x: Tensor, generator: torch.Generator | None) -> list[Step]:
        x = self._checked(x)
        noise = self.noise(len(x), self.config.steps, generator)
        return list(self._steps(x, self.encoder.prepare(x), noise))

    # Generation

    @torch.no_grad()
    def decode(self, z: Tensor) -> Drawing:
        """The drawing that latent codes [T, B, Z] stand for, by the decoder alone.

        Fewer steps than the model's T give an earlier stage of it, more draw on.
        """
        latent = self.config.latent
        if z.dim() != 3 or z.shape[2] != latent:
            raise ConfigError(
                f"{self.config.name} takes codes of shape [T, B, {latent}], got {list(z.shape)}"
            )
        self._checked_steps(z.shape[1], z.shape[0], stacklevel=4)
        if not z.isfinite().all():
            raise ConfigError(f"{self.config.name} takes finite codes, got NaN or infinity")
        return self._drawing(*self._decode(z.to(self.initial_canvas)))

    @torch.no_grad()
    def prior(
        self, num: int, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """The latent codes [T, num, Z] that `draw` would draw with the same arguments."""
        steps = self._checked_steps(num, steps, stacklevel=4)
        return torch.cat(list(self._prior(num, steps, generator)), dim=1)

    def sample(
        self, num: int, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draws `num` new images from the prior, section 2.3 of the paper.

        Image i depends on the generator's seed alone, not on `num`; fewer `steps` give an earlier
        stage of the same drawing. Images are drawn in groups, so that memory is that of the result.

        Arguments:
            num: The number of images.
            steps: Steps to draw; the model's T unless given. More than T draws on.
            generator: The source of randomness.

        Returns:
            Pixel probabilities in [0, 1], [num, C, H, W].
        """
        steps = self._checked_steps(num, steps, stacklevel=3)
        # A plain tensor, which may take part in training, filled by what keeps no history at all.
        images = self.initial_canvas.new_empty(num, *self.config.image)
        with torch.inference_mode():
            first = 0
            for z in self._groups(self._prior(num, steps, generator)):
                images[first : first + z.shape[1]] = self.paint(z)
                first += z.shape[1]
        self._check_finite(images)
        return images

    def paint(self, z: Tensor) -> Tensor:
        """The finished images of latent codes z [T, B, Z], [B, C, H, W].

        Those of `generate` step by step. But the decoder does not look at the canvas, so many of
        its steps come first, and all that they write is added up at once.
        """
        canvas, _, decoder = self.initial_state(z.shape[1])
        for some in torch.split(z, WRITTEN):
            hidden, decoder = self.decoder.unroll(decoder, some)
            canvas = canvas + self.writer.total(hidden)
        return self.likelihood.mean(canvas)

    @torch.no_grad()
    def draw(
        self, num: int, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Drawing:
        """As `sample`, with all canvases and windows on the way."""
        steps = self._checked_steps(num, steps, stacklevel=4)  # `no_grad` is in between
        return join([self._drawing(*self._decode(z)) for z in self._prior(num, steps, generator)])

    def _prior(self, num: int, steps: int, generator: torch.Generator | None) -> Iterator[Tensor]:
        """Latent codes z [T, b, Z] from the prior, in chunks of images."""
        for first in range(0, num, CHUNK):
            # Each chunk has a generator of its own, so that the number of steps drawn by one
            # does not move the others.
            seed = int(torch.randint(2**62, (), generator=generator, device=_device(generator)))
            noise = self.noise(CHUNK, steps, torch.Generator(_device(generator)).manual_seed(seed))
            yield noise[:, : num - first]

    @staticmethod
    def _groups(chunks: Iterator[Tensor]) -> Iterator[Tensor]:
        """The codes of several chunks as those of one batch, [T, GROUP · CHUNK, Z]."""
        while group := list(itertools.islice(chunks, GROUP)):
            yield group[0] if len(group) == 1 else torch.cat(group, dim=1)

    def _decode(self, z: Tensor) -> tuple[list[Tensor], list[Any], list[Window | None]]:
        """The decoder alone: codes [T, B, Z] → canvases, no reads, writes."""
        canvas, _, decoder = self.initial_state(z.shape[1])
        canvases, writes = [], []
        for z_t in z:
            canvas, decoder, window = self.generate(z_t, canvas, decoder)
            canvases.append(canvas)
            writes.append(window)
        return canvases, [None], writes

    def _drawing(
        self, canvases: list[Tensor], reads: list[Window | None], writes: list[Window | None]
    ) -> Drawing:
        stacked = torch.stack(canvases)
        windows = (window[:5] for window in (*reads, *writes) if window is not None)
        self._check_finite(stacked, *itertools.chain.from_iterable(windows))
        return Drawing(stacked, self.likelihood.mean(stacked), _windows(reads), _windows(writes))

    def _check_finite(self, *results: Tensor) -> None:
        """Raises `WeightsError` for NaN or infinity, which finite but huge weights give."""
        if not all(bool(result.isfinite().all()) for result in results):
            raise WeightsError(
                f"{self.config.name} computes values that are not finite: its weights are damaged "
                "or too large; get them again, or use another model"
            )

    def _checked_steps(self, num: int, steps: int | None, stacklevel: int) -> int:
        trained = self.config.steps
        steps = trained if steps is None else steps
        if num < 1 or steps < 1:
            raise ConfigError(f"num and steps must be at least 1, got {num} and {steps}")
        if steps > trained:
            warnings.warn(
                f"{self.config.name} was trained with {trained} steps; drawing on to {steps}",
                stacklevel=stacklevel,
            )
        return steps

    def _checked(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or tuple(x.shape[1:]) != self.config.image:
            raise ConfigError(
                f"{self.config.name} takes images of shape [B, "
                f"{', '.join(map(str, self.config.image))}], got {list(x.shape)}"
            )
        # Written so that NaN is refused too.
        if not ((x >= 0) & (x <= 1)).all():
            raise ConfigError(f"{self.config.name} takes pixels in [0, 1]; divide bytes by 255")
        return x.to(self.initial_canvas)


def _device(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def _windows(windows: list[Window | None]) -> list[Window] | None:
    return None if windows[0] is None else cast(list[Window], windows)
