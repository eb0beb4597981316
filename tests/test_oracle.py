"""The engine against the benchmarks' plain DRAW, written independently, in float64."""

import pytest
import torch
from drawzoo_bench.plain_draw import PlainDraw

from drawzoo import build
from drawzoo.schema.base import override


def pairs(plain, model):
    """The plain model's parameters, each beside the engine's values for it."""
    units, latent = plain.units, plain.latent
    for cell, lstm in ((plain.encoder, model.encoder.lstm), (plain.decoder, model.decoder.lstm)):
        # One matrix for inputs and state in the engine; in a cell one for each, and two biases.
        yield cell.weight_ih, lambda m=lstm: m.gates.weight[:, :-units]
        yield cell.weight_hh, lambda m=lstm: m.gates.weight[:, -units:]
        yield cell.bias_ih, lambda m=lstm: m.gates.bias
    yield plain.mu.weight, lambda: model.latent.layer.weight[:latent]
    yield plain.mu.bias, lambda: model.latent.layer.bias[:latent]
    yield plain.log_sigma.weight, lambda: model.latent.layer.weight[latent:]
    yield plain.log_sigma.bias, lambda: model.latent.layer.bias[latent:]
    for linear, ours in (
        (plain.read_window, model.reader.window),
        (plain.write_window, model.writer.window),
        (plain.patch, model.writer.patch),
    ):
        yield linear.weight, lambda m=ours: m.weight
        yield linear.bias, lambda m=ours: m.bias


@pytest.mark.parametrize("steps", [1, 4])
def test_bound_and_gradients(tiny, monkeypatch, steps):
    config = tiny(image=(1, 8, 8), steps=steps, latent=3, decoder=6)
    model = build(override(config, {"encoder.units": 6, "reader.size": 3})).double()
    plain = PlainDraw(steps, units=6, latent=3, read=3, write=2, side=8).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        # The plain model starts from zeros that it does not learn.
        model.initial_canvas.zero_()
        model.decoder.lstm.initial.zero_()
        model.encoder.lstm.initial.zero_()
        for parameter in plain.parameters():
            parameter.zero_()
        for parameter, ours in pairs(plain, model):
            parameter.copy_(ours())
    x = torch.bernoulli(torch.full((5, 1, 8, 8), 0.3, dtype=torch.float64), generator=generator)
    noise = torch.randn(steps, 5, 3, generator=generator, dtype=torch.float64)

    reconstruction, kl, _ = model(x, noise)
    bound = (reconstruction + kl.sum(dim=0)).mean()
    draws = iter(noise)
    monkeypatch.setattr(torch, "randn_like", lambda _: next(draws))
    expected = plain(x)
    torch.testing.assert_close(bound, expected, rtol=1e-7, atol=0)

    bound.backward()
    expected.backward()
    gradients = {id(p): p.grad for p in model.parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(gradients[id(parameter)])
        for parameter, gradient in pairs(plain, model):
            torch.testing.assert_close(gradient(), parameter.grad, rtol=1e-6, atol=1e-8)
