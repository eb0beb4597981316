"""DRAW as people write it: plain eager PyTorch, `nn.LSTMCell`, one operation after the other.

The yardstick of the benchmarks. It follows the paper and the public implementations in PyTorch,
and is neither tuned nor slowed down: the same sizes, the same loss, the same optimiser (Adam, as
PyTorch gives it) and clipping.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PlainDraw", "train_step"]


class PlainDraw(nn.Module):
    """DRAW with attentive read and write, on square images of one channel.

    Drawings start from zeros that are not learned, as does the state of the LSTMs.

    Arguments:
        steps: T.
        units: Of both LSTMs.
        latent: Z.
        read: N of the read window.
        write: N of the write window.
        side: A = B, in pixels.
    """

    canvas: Tensor

    def __init__(
        self,
        steps: int = 10,
        units: int = 256,
        latent: int = 32,
        read: int = 5,
        write: int = 5,
        side: int = 28,
    ) -> None:
        super().__init__()
        self.steps, self.units, self.latent = steps, units, latent
        self.n_read, self.n_write, self.side = read, write, side
        self.encoder = nn.LSTMCell(2 * read**2 + units, units)
        self.mu = nn.Linear(units, latent)
        self.log_sigma = nn.Linear(units, latent)
        self.decoder = nn.LSTMCell(latent, units)
        self.read_window = nn.Linear(units, 5)
        self.write_window = nn.Linear(units, 5)
        self.patch = nn.Linear(units, write**2)
        self.register_buffer("canvas", torch.zeros(side, side), persistent=False)

    @torch.no_grad()
    def start_as_drawzoo(self, canvas: Tensor) -> None:
        """Replaces PyTorch's initialisation by that of `draw-mnist`.

        Arguments:
            canvas: The logits that drawings start from, [side, side].
        """
        for cell in (self.encoder, self.decoder):
            span = (cell.input_size + cell.hidden_size) ** -0.5
            for weight in (cell.weight_ih, cell.weight_hh):
                weight.uniform_(-span, span)
            for bias in (cell.bias_ih, cell.bias_hh):
                bias.zero_()
            cell.bias_ih[self.units : 2 * self.units] = 1  # of the forget gates
        for layer in (self.mu, self.log_sigma):
            layer.bias.zero_()
        self.log_sigma.weight *= 0.1
        for window, size in ((self.read_window, self.n_read), (self.write_window, self.n_write)):
            window.weight *= 0.1
            window.bias.zero_()
            if size == 2:
                share = self.side / size
                window.bias[2] = 2 * math.log(share / 2)
                window.bias[3] = math.log(share / (self.side - 1))
        self.canvas.copy_(canvas)

    def filters(self, parameters: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """F_X and F_Y, [B, N, side] each, and the intensity [B, 1, 1]: eq. 21 to 26."""
        gx, gy, log_var, log_delta, log_gamma = torch.split(parameters, 1, dim=1)
        gx = (self.side + 1) / 2 * (gx + 1)
        gy = (self.side + 1) / 2 * (gy + 1)
        delta = (self.side - 1) / (n - 1) * torch.exp(log_delta)
        var = torch.exp(log_var)
        grid = torch.arange(n, device=gx.device) - n / 2 + 0.5
        a = torch.arange(1, self.side + 1, device=gx.device).view(1, 1, -1)
        mu_x = (gx + grid * delta).unsqueeze(2)
        mu_y = (gy + grid * delta).unsqueeze(2)
        var = var.unsqueeze(2)
        fx = torch.exp(-((a - mu_x) ** 2) / (2 * var))
        fy = torch.exp(-((a - mu_y) ** 2) / (2 * var))
        fx = fx / (fx.sum(2, keepdim=True) + 1e-8)
        fy = fy / (fy.sum(2, keepdim=True) + 1e-8)
        return fx, fy, torch.exp(log_gamma).unsqueeze(2)

    def read(self, x: Tensor, error: Tensor, h: Tensor) -> Tensor:
        """Eq. 27: [B, 2 N²]."""
        fx, fy, gamma = self.filters(self.read_window(h), self.n_read)
        patch = torch.bmm(torch.bmm(fy, x), fx.transpose(1, 2)) * gamma
        patch_error = torch.bmm(torch.bmm(fy, error), fx.transpose(1, 2)) * gamma
        return torch.cat([patch.flatten(1), patch_error.flatten(1)], dim=1)

    def write(self, h: Tensor) -> Tensor:
        """Eq. 29: [B, side, side]."""
        fx, fy, gamma = self.filters(self.write_window(h), self.n_write)
        patch = self.patch(h).view(-1, self.n_write, self.n_write)
        return torch.bmm(torch.bmm(fy.transpose(1, 2), patch), fx) / gamma

    def forward(self, images: Tensor) -> Tensor:
        """The bound's mean over a batch of images [B, 1, side, side], in nats."""
        x = images.squeeze(1)
        batch = len(x)
        canvas = self.canvas.expand(batch, -1, -1)
        h_enc = c_enc = h_dec = c_dec = x.new_zeros(batch, self.units)
        kl = x.new_zeros(batch)
        for _ in range(self.steps):
            error = x - torch.sigmoid(canvas)
            r = self.read(x, error, h_dec)
            h_enc, c_enc = self.encoder(torch.cat([r, h_dec], dim=1), (h_enc, c_enc))
            mu, log_sigma = self.mu(h_enc), self.log_sigma(h_enc)
            sigma = torch.exp(log_sigma)
            z = mu + sigma * torch.randn_like(mu)
            h_dec, c_dec = self.decoder(z, (h_dec, c_dec))
            canvas = canvas + self.write(h_dec)
            kl = kl + 0.5 * torch.sum(mu**2 + sigma**2 - 2 * log_sigma - 1, dim=1)
        nats = F.binary_cross_entropy_with_logits(canvas, x, reduction="none").sum((1, 2))
        return (nats + kl).mean()

    @torch.no_grad()
    def sample(self, num: int) -> Tensor:
        """Images from the prior, [num, 1, side, side]."""
        weight = self.patch.weight
        canvas = self.canvas.expand(num, -1, -1)
        h_dec = c_dec = weight.new_zeros(num, self.units)
        for _ in range(self.steps):
            z = torch.randn(num, self.latent, device=weight.device)
            h_dec, c_dec = self.decoder(z, (h_dec, c_dec))
            canvas = canvas + self.write(h_dec)
        return torch.sigmoid(canvas).unsqueeze(1)


def train_step(model: PlainDraw, optimizer: torch.optim.Optimizer, pixels: Tensor) -> None:
    """One step on grey images as bytes, [B, 1, side, side], binarised afresh."""
    x = torch.bernoulli(pixels.float() / 255)
    optimizer.zero_grad()
    loss = model(x)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
