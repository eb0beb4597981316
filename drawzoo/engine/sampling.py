r"""What can be drawn with a DRAW: from the prior, from codes, and images again.

| from | to | here |
|---|---|---|
| a number of drawings | finished images | `Sampling.sample` |
| a number of drawings | drawings step by step | `Sampling.draw` |
| a number of drawings | their codes | `Sampling.prior` |
| standard normal noise | finished images | `Sampling.paint` |
| codes | drawings step by step | `Sampling.decode` |
| images | codes | `Sampling.encode` |
| images | drawings step by step | `Sampling.reconstruct` |

A step of drawing (section 2.3 of the paper) is

\[\tilde z_t \sim P(Z_t), \quad \tilde h^{dec}_t = RNN^{dec}(\tilde h^{dec}_{t-1}, \tilde z_t),
\quad \tilde c_t = \tilde c_{t-1} + write(\tilde h^{dec}_t)\]

eq. 13 to 15, and the image is the likelihood's mean at the last canvas (eq. 16).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from drawzoo.engine.components import Decoder, Encoder, Reader, Window, Writer
from drawzoo.engine.counter import Counter, Randomness
from drawzoo.engine.drawing import Codes, Drawing, State, Step, join
from drawzoo.engine.latent import Latent, kl_of_steps
from drawzoo.engine.likelihood import Likelihood
from drawzoo.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    from drawzoo.schema.model import ModelConfig

__all__ = ["CHUNK", "Sampling"]

CHUNK = 100
"""Images whose noise is drawn at once, so that an image's noise does not depend on `num`."""

STEPS_AT_ONCE = 64
"""The most steps that are written at once: a bound of the memory."""

CHUNKS_AT_ONCE = 5
"""Chunks that are drawn at once: a bound of the memory, and larger batches are no faster."""


class Sampling(nn.Module):
    """Drawing, encoding and classifying with the recurrence of `Draw`; checks of tensors."""

    reader: Reader
    encoder: Encoder
    latent: Latent
    decoder: Decoder
    writer: Writer
    likelihood: Likelihood
    initial_canvas: nn.Parameter
    steps: int
    _config: ModelConfig | None = None

    @property
    def config(self) -> ModelConfig:
        """The configuration that the model was built from.

        Raises:
            ConfigError: If the model was put together from components.
        """
        if self._config is None:
            raise ConfigError(
                "a model put together from components has no configuration, which files and "
                "training need; register the components and build it with drawzoo.build"
            )
        return self._config

    @config.setter
    def config(self, config: ModelConfig) -> None:
        self._config = config

    @property
    def name(self) -> str:
        """What to call the model."""
        return "the model" if self._config is None else self._config.name

    def initial_state(self, batch: int) -> State:
        """See `Draw`."""
        raise NotImplementedError

    def inference(
        self, x: Tensor, context: Any, noise: Tensor, state: State | None = None
    ) -> Iterator[Step]:
        """See `Draw`."""
        raise NotImplementedError

    def noise(self, batch: int, steps: int, generator: Randomness | None = None) -> Tensor:
        """Fresh standard normal noise for every step, [T, B, Z], or in the shape of the codes.

        Noise is drawn step by step, so that fewer steps use the beginning of the same noise.
        """
        like, shape = self.initial_canvas, (batch, *self.latent.shape)
        if isinstance(generator, Counter):
            return generator.noise(range(batch), steps, self.latent.shape).to(like)
        device = like.device if generator is None else generator.device
        draws = [
            torch.randn(shape, generator=generator, device=device, dtype=like.dtype)
            for _ in range(steps)
        ]
        return torch.stack(draws).to(like.device)

    # From the prior

    def sample(
        self, num: int, *, steps: int | None = None, generator: Randomness | None = None
    ) -> Tensor:
        """Draws `num` new images from the prior, section 2.3 of the paper.

        Image i depends on the generator's seed alone, not on `num`; fewer `steps` give an earlier
        stage of the same drawing. Images are drawn in groups, so that most of the memory is the
        result's.

        Arguments:
            num: The number of images.
            steps: Steps to draw; the model's T unless given. More than T draws on.
            generator: The source of randomness.

        Returns:
            Expected pixels in [0, 1], which are probabilities of binary ones, [num, C, H, W].
        """
        steps = self._checked_steps(num, steps, stacklevel=3)
        # A plain tensor, which may take part in training, filled in inference mode.
        images = self.initial_canvas.new_empty(num, *self.likelihood.image_shape)
        with torch.inference_mode():
            first = 0
            for noise in _groups(self._chunks(num, steps, generator)):
                images[first : first + noise.shape[1]] = self.paint(noise)
                first += noise.shape[1]
        self.check_finite(images)
        return images

    @torch.no_grad()
    def draw(
        self, num: int, *, steps: int | None = None, generator: Randomness | None = None
    ) -> Drawing:
        """As `sample`, with all canvases and windows on the way."""
        steps = self._checked_steps(num, steps, stacklevel=4)  # `no_grad` is in between
        chunks = self._chunks(num, steps, generator)
        return join([self._course(self._drawn(noise)) for noise in chunks])

    @torch.no_grad()
    def prior(
        self, num: int, *, steps: int | None = None, generator: Randomness | None = None
    ) -> Tensor:
        """The latent codes [T, num, Z] that `draw` would draw with the same arguments."""
        steps = self._checked_steps(num, steps, stacklevel=4)
        codes = [
            noise if self._draws_noise else torch.stack([z for z, _, _ in self._drawn(noise)])
            for noise in self._chunks(num, steps, generator)
        ]
        return torch.cat(codes, dim=1)

    def paint(self, noise: Tensor, *, are_codes: bool = False) -> Tensor:
        """The finished images [B, C, H, W] of standard normal noise [T, B, Z], eq. 13 to 16.

        With `are_codes`, `noise` holds codes.

        Equal to drawing step by step, but faster where the codes are the noise and the decoder
        never reads the canvas: the decoder runs first, and the writes are summed.
        """
        state = self.initial_state(noise.shape[1])
        canvas = state.canvas
        if self.decoder.closed and (are_codes or self._draws_noise):
            decoder = state.decoder
            for part in torch.split(noise, STEPS_AT_ONCE):
                h_dec, decoder = self.decoder.unroll(part, decoder, canvas)
                canvas = canvas + self.writer.total(h_dec)
        else:
            for _, drawn, _ in self._drawn(noise, are_codes=are_codes):
                canvas = drawn
        return self.likelihood.mean(canvas)

    # From codes

    @torch.no_grad()
    def decode(self, z: Tensor) -> Drawing:
        """The drawing that latent codes [T, B, Z] stand for, by the decoder alone.

        Fewer steps than the model's T give an earlier stage of the drawing, more draw on.
        """
        return self._course(self._drawn(self._checked_codes(z), are_codes=True))

    @torch.no_grad()
    def finished(self, z: Tensor) -> Tensor:
        """The finished images [B, C, H, W] of codes [T, B, Z]: as `decode`, in less memory."""
        images = self.paint(self._checked_codes(z), are_codes=True)
        self.check_finite(images)
        return images

    def _checked_codes(self, z: Tensor) -> Tensor:
        shape = self.latent.shape
        if z.dim() < 2 or tuple(z.shape[2:]) != shape:
            wanted = ", ".join(map(str, ("T", "B", *shape)))
            raise ConfigError(f"{self.name} takes codes of shape [{wanted}], got {list(z.shape)}")
        self._checked_steps(z.shape[1], z.shape[0], stacklevel=5)
        z = z.to(self.initial_canvas)
        if not z.isfinite().all():
            raise ConfigError(f"{self.name} takes finite codes, got NaN or infinity")
        return z

    # From images

    @torch.no_grad()
    def encode(self, x: Tensor, *, generator: Randomness | None = None) -> Codes:
        """The latent codes through which `reconstruct` draws images again.

        Arguments:
            x: Images, [B, C, H, W].
            generator: The source of randomness.

        Returns:
            A sample and its posterior, [T, B, Z] each; `decode(codes.z)` has exactly the canvases
            of `reconstruct(x)` with a generator in the same state.
        """
        steps = self._inferred(x, generator)
        codes = Codes(
            torch.stack([step.z for step in steps]),
            torch.stack([step.posterior.mean for step in steps]),
            torch.stack([step.posterior.log_std for step in steps]),
            kl_of_steps([step.posterior for step in steps], [step.prior for step in steps]),
        )
        self.check_finite(codes.z, codes.kl)
        return codes

    @torch.no_grad()
    def reconstruct(self, x: Tensor, *, generator: Randomness | None = None) -> Drawing:
        """Draws each image of x [B, C, H, W] again, through the codes inferred from the image."""
        steps = self._inferred(x, generator)
        return self._drawing(
            [step.state.canvas for step in steps],
            [step.read for step in steps],
            [step.write for step in steps],
        )

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """The logits of the classes of images x [B, C, H, W] by a classifying encoder, [B, K].

        Raises:
            ConfigError: If the encoder does not classify.
        """
        if not self.encoder.classifies:
            raise ConfigError(
                f"{self.name} does not classify: its encoder, a {type(self.encoder).__name__}, "
                "has no classifier"
            )
        logits = self.encoder.classify(self.encoder.prepare(self.checked(x)))
        self.check_finite(logits)
        return logits

    def _inferred(self, x: Tensor, generator: Randomness | None) -> list[Step]:
        x = self.checked(x)
        noise = self.noise(len(x), self.steps, generator)
        return list(self.inference(x, self.encoder.prepare(x), noise))

    # The steps of a drawing

    @property
    def _draws_noise(self) -> bool:
        """Whether the prior is the standard normal, so that the codes are the noise."""
        return self.latent.prior(self.decoder.initial_state(1)[0]) is None

    def _drawn(
        self, noise: Tensor, *, are_codes: bool = False
    ) -> Iterator[tuple[Tensor, Tensor, Window | None]]:
        """Code, canvas and window of each step: from noise [T, B, Z], or from the codes."""
        canvas, _, h_dec, decoder = self.initial_state(noise.shape[1])
        for z in noise:
            prior = None if are_codes else self.latent.prior(h_dec)
            z = z if prior is None else prior.at(z)  # eq. 13
            h_dec, decoder = self.decoder(z, decoder, canvas)  # eq. 14
            patch, window = self.writer(h_dec)
            canvas = canvas + patch  # eq. 15
            yield z, canvas, window

    def _chunks(self, num: int, steps: int, generator: Randomness | None) -> Iterator[Tensor]:
        """The noise [T, b, Z] of drawings, in chunks of images."""
        for first in range(0, num, CHUNK):
            if isinstance(generator, Counter):
                images = range(first, min(first + CHUNK, num))
                yield generator.noise(images, steps, self.latent.shape).to(self.initial_canvas)
                continue
            # Each chunk has a generator of its own, so that the number of steps of one chunk
            # does not change the noise of the others.
            device = torch.device("cpu") if generator is None else generator.device
            seed = int(torch.randint(2**62, (), generator=generator, device=device))
            noise = self.noise(CHUNK, steps, torch.Generator(device).manual_seed(seed))
            yield noise[:, : num - first]

    def _course(self, steps: Iterator[tuple[Tensor, Tensor, Window | None]]) -> Drawing:
        _, canvases, windows = zip(*steps, strict=True)
        return self._drawing(canvases, [None], windows)

    def _drawing(
        self,
        canvases: Sequence[Tensor],
        reads: Sequence[Window | None],
        writes: Sequence[Window | None],
    ) -> Drawing:
        stacked = torch.stack([*canvases])
        images = torch.stack([self.likelihood.mean(canvas) for canvas in canvases])
        windows = (window[:5] for window in (*reads, *writes) if window is not None)
        self.check_finite(stacked, *itertools.chain.from_iterable(windows))
        return Drawing(stacked, images, _windows(reads), _windows(writes))

    # Checks

    def checked(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] as the model computes with them.

        Raises:
            ConfigError: If the images have another shape, or pixels outside of [0, 1].
        """
        shape = self.likelihood.image_shape
        if x.dim() != 4 or tuple(x.shape[1:]) != shape:
            raise ConfigError(
                f"{self.name} takes images of shape [B, {', '.join(map(str, shape))}], "
                f"got {list(x.shape)}"
            )
        # Written so that NaN is refused too.
        if not ((x >= 0) & (x <= 1)).all():
            raise ConfigError(f"{self.name} takes pixels in [0, 1]; divide bytes by 255")
        return x.to(self.initial_canvas)

    def observed(self, x: Tensor) -> Tensor:
        """As `checked`, for images whose bound is wanted.

        Raises:
            ConfigError: If the likelihood is no density, or an image is outside its support.
        """
        x = self.checked(x)
        if not self.likelihood.is_bound:
            raise ConfigError(
                f"{self.name} has no bound: its likelihood, a {type(self.likelihood).__name__}, "
                "is no density of images; choose another likelihood and train again"
            )
        self.likelihood.check(x)
        return x

    def check_finite(self, *results: Tensor) -> None:
        """Raises `WeightsError` for NaN or infinity: finite but huge weights give such results."""
        if not all(bool(result.isfinite().all()) for result in results):
            raise WeightsError(
                f"{self.name} computes values that are not finite: its weights are damaged "
                "or too large; get them again, or use another model"
            )

    def _checked_steps(self, num: int, steps: int | None, stacklevel: int) -> int:
        steps = self.steps if steps is None else steps
        if num < 1 or steps < 1:
            raise ConfigError(f"num and steps must be at least 1, got {num} and {steps}")
        if steps > self.steps:
            warnings.warn(
                f"{self.name} was trained with {self.steps} steps; drawing on to {steps}",
                stacklevel=stacklevel,
            )
        return steps


def _groups(chunks: Iterator[Tensor]) -> Iterator[Tensor]:
    """The noise of several chunks as one batch, [T, CHUNKS_AT_ONCE · CHUNK, Z]."""
    while group := list(itertools.islice(chunks, CHUNKS_AT_ONCE)):
        yield group[0] if len(group) == 1 else torch.cat(group, dim=1)


def _windows(windows: Sequence[Window | None]) -> list[Window] | None:
    return None if windows[0] is None else cast(list[Window], list(windows))
