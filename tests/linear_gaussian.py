"""A linear, Gaussian DRAW, whose likelihood is known."""

import math

import torch
from torch.distributions import MultivariateNormal

from drawzoo import (
    ComponentConfig,
    Decoder,
    Draw,
    Encoder,
    Gaussian,
    Latent,
    Likelihood,
    ModelConfig,
    Reader,
    Sizes,
    Writer,
)

PIXELS, LATENT = 4, 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Toy:
    """A linear-Gaussian DRAW of two steps, built from a reader, encoder and writer of its own.

    c_T = W (z_1 + z_2) and x = c_T + noise, so that p(x) = N(0, I + 2 W Wᵀ). The columns of W are
    orthogonal, so that the posterior factorises, and the encoder knows it.

    Arguments:
        mean: By which factor the posterior's mean is wrong.
        log_std: By how much its logarithmic standard deviation is.
    """

    def __init__(self, mean=1.0, log_std=0.0):
        scale = torch.tensor([1.5, 0.7], dtype=torch.float64)
        basis = torch.linalg.qr(torch.randn(PIXELS, LATENT, generator=seeded(1)).double())[0]
        w = basis * scale
        part = ComponentConfig(name="toy")
        sizes = Sizes(image=(1, 1, PIXELS), latent_shape=(LATENT,))
        self.model = Draw(
            ErrorReader(),
            ExactEncoder(w, mean, log_std),
            Given(None, sizes),
            Identity(),
            Linear(w),
            UnitGaussian(None, sizes),
            steps=2,
        ).double()
        # The name is on the figures.
        self.model.config = ModelConfig(
            variant="toy", image=sizes.image, reader=part, encoder=part, writer=part
        )
        self.marginal = MultivariateNormal(
            torch.zeros(PIXELS, dtype=torch.float64),
            torch.eye(PIXELS, dtype=torch.float64) + 2 * w @ w.T,
        )

    def exact(self, x):
        """−log p(x) of images [B, 1, 1, P], [B]."""
        return -self.marginal.log_prob(x.double().flatten(1))


class ErrorReader(Reader):
    out_features = PIXELS

    def forward(self, x, error, h_dec):
        return error.flatten(1), None


class ExactEncoder(Encoder):
    """Its features are mean and logarithmic standard deviation of z_t given x and the codes before.

    In step t the error image is x − W Σ z, of which the codes still to come explain W z_t, and
    those after it with unit noise have the covariance I + (2 − t) W Wᵀ.
    """

    out_features = 2 * LATENT

    def __init__(self, w, mean, log_std):
        super().__init__()
        self.w, self.wrong_mean, self.wrong_log_std = w, mean, log_std

    def prepare(self, x):
        return x.flatten(1)

    def initial_state(self, batch):
        return (torch.zeros(batch, 1, dtype=torch.float64),)

    def forward(self, glimpse, h_dec, state, context):
        assert context.shape == glimpse.shape
        (step,) = state
        rest = 1 - step
        square = self.w.square().sum(dim=0)
        variance = 1 + rest * square
        precision = 1 + square / variance
        mean = self.wrong_mean * (glimpse @ self.w / variance) / precision
        log_std = -0.5 * precision.log() + self.wrong_log_std
        return torch.cat([mean, log_std], dim=1), (step + 1,)


class Linear(Writer):
    def __init__(self, w):
        super().__init__()
        self.w = w

    def forward(self, h_dec):
        return (h_dec @ self.w.T).view(-1, 1, 1, PIXELS), None


class Given(Latent):
    """A posterior that the encoder has computed."""

    def posterior(self, h_enc):
        return Gaussian(*h_enc.chunk(2, dim=1))


class Identity(Decoder):
    """A decoder that hands on the code."""

    def initial_state(self, batch):
        return (torch.zeros(batch, LATENT, dtype=torch.float64),)

    def forward(self, z, state, canvas):
        return z, (z,)


class UnitGaussian(Likelihood):
    def mean(self, canvas):
        return canvas

    def nats(self, canvas, x):
        square = (x - canvas).flatten(1).square().sum(dim=1)
        return 0.5 * (square + PIXELS * math.log(2 * math.pi))
