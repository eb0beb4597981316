"""The fast paths give what the plain one gives: bound, gradients and drawings."""

import pytest
import torch
from selection import quick
from torch import nn

import drawzoo
from drawzoo.engine.attention import Window, filterbank, filterbanks
from drawzoo.engine.compilation import compile_sampling, worthwhile
from drawzoo.registry.build import build
from drawzoo.schema.base import override
from drawzoo.schema.model import ComponentConfig, ModelConfig
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store.published import manifest
from drawzoo.store.sources import shipped
from drawzoo.store.validate import read_config
from drawzoo.store.weights import read_model

NAMES = sorted(manifest())


def architectures():
    """A shipped model of each architecture, of few steps but more than one.

    Models of the same components compile alike.
    """
    by_parts = {}
    configs = {name: read_config(shipped(name)) for name in NAMES}
    for name, config in sorted(
        configs.items(), key=lambda item: (item[1].steps < 2, item[1].steps)
    ):
        parts = (config.reader.name, config.encoder.name, config.writer.name)
        by_parts.setdefault(parts, name)
    return sorted(by_parts.values())


def outcome(model, function=None, batch=3, steps=None):
    """The loss and all gradients, on the same images and noise."""
    generator = torch.Generator().manual_seed(1)
    like = model.initial_canvas
    x = torch.rand(batch, *model.likelihood.image_shape, generator=generator).to(like).round()
    noise = model.noise(batch, steps or model.steps, generator)
    labels = torch.arange(batch, device=like.device) % 2 if model.encoder.needs_labels else None
    model.zero_grad()
    terms = (model if function is None else function)(x, noise, labels)
    bound = terms.reconstruction + terms.kl.sum(dim=0)
    loss = bound.mean() if terms.auxiliary is None else (bound + terms.auxiliary).mean()
    loss.backward()
    return {"loss": loss.detach()} | {
        name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()
    }


def assert_same(actual, expected, **tolerance):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert (actual[name] is None) == (value is None), name
        if value is not None:
            scale = value.abs().max().clamp_min(1e-8)
            torch.testing.assert_close(actual[name] / scale, value / scale, msg=name, **tolerance)


class TestShipped:
    @pytest.mark.parametrize("name", quick(architectures(), "draw-erroronly-mnist"))
    def test_compiled(self, name):
        """Bound and gradients; two steps are enough to see."""
        torch.compiler.reset()  # after eight graphs torch would go on eagerly
        model = read_model(shipped(name))  # in eval mode, where dropout is no source of noise
        expected = outcome(model, steps=2)
        # In one graph: a kernel that cannot be traced would break it.
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        assert_same(outcome(model, compiled, steps=2), expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", NAMES)
    def test_compiled_for_this_machine(self, name):
        model = read_model(shipped(name))
        expected = outcome(model)
        assert_same(outcome(model, torch.compile(model)), expected, rtol=1e-3, atol=1e-3)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", NAMES)
    def test_compiled_sampling(self, name):
        model = drawzoo.load(name)
        expected = model.sample(150, generator=torch.Generator().manual_seed(3))
        compile_sampling(model)
        actual = model.sample(150, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


class PlainEncoder(drawzoo.Encoder):
    """As a stranger would write one: nothing of ours in it."""

    out_features = 6

    def __init__(self, config, sizes):
        super().__init__()
        self.cell = nn.GRUCell(sizes.glimpse + sizes.decoder, 6)

    def initial_state(self, batch):
        return (self.cell.weight_hh.new_zeros(batch, 6),)

    def forward(self, glimpse, h_dec, state, context):
        h = self.cell(torch.cat([glimpse, h_dec], dim=1), state[0])
        return h, (h,)


@pytest.mark.slow
def test_a_strangers_component_just_works(double):
    ours = double(steps=3)
    features = (ours.reader.out_features,)
    sizes = drawzoo.Sizes(image=(1, 6, 5), decoder_shape=(4,), glimpse_shape=features)
    parts = ours.decoder, ours.writer, ours.likelihood
    latent = ours.latent
    latent.layer = nn.Linear(6, 4)
    model = drawzoo.Draw(ours.reader, PlainEncoder(None, sizes), latent, *parts, steps=3).double()
    expected = outcome(model)
    compiled = torch.compile(model, backend="aot_eager")
    assert_same(outcome(model, compiled), expected, rtol=1e-10, atol=1e-10)


def test_both_filterbanks_of_a_square():
    values = torch.rand(5, 3, dtype=torch.float64) + 0.5
    window = Window(*values, size=4)
    for bank, centre in zip(filterbanks(window, 7, 7), (window.gy, window.gx), strict=True):
        expected = filterbank(centre, window.stride, window.variance, 4, 7)
        torch.testing.assert_close(bank, expected, rtol=0, atol=0)


class TestSampling:
    def test_memory_is_that_of_groups(self, double, monkeypatch):
        """However many are drawn, the decoder never sees more than a group."""
        model, seen = double(), []
        paint = model.paint
        monkeypatch.setattr(model, "paint", lambda z: seen.append(z.shape[1]) or paint(z))
        model.sample(1234)
        assert max(seen) == 500
        assert sum(seen) == 1234

    @pytest.mark.parametrize("writer", ["attention", "whole", "deconv"])
    def test_all_steps_at_once_are_those_one_by_one(self, double, writer, monkeypatch):
        model = double(writer=writer, steps=4)
        monkeypatch.setattr("drawzoo.engine.sampling.STEPS_AT_ONCE", 3)
        z = torch.randn(4, 3, *model.latent.shape, dtype=torch.float64)
        torch.testing.assert_close(model.paint(z), model.decode(z).images[-1])

    def test_drawings_do_not_depend_on_the_group(self, double, monkeypatch):
        model = double()
        expected = model.sample(450, generator=torch.Generator().manual_seed(2))
        monkeypatch.setattr("drawzoo.engine.sampling.CHUNKS_AT_ONCE", 2)
        actual = model.sample(450, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(actual, expected)

    def test_samples_can_be_trained_on(self, double):
        model = double()
        images = model.sample(2)
        assert not images.is_inference()
        (nn.Linear(30, 1).double()(images.flatten(1))).sum().backward()


class TestAuto:
    def run(self, **training):
        part = ComponentConfig(name="any")
        model = ModelConfig(variant="any", reader=part, encoder=part, writer=part)
        return RunConfig(model, TrainingConfig(batch_size=100, **training))

    def test_long_runs_are_compiled(self, monkeypatch):
        monkeypatch.setattr("drawzoo.engine.compilation._has_compiler", lambda: True)
        assert worthwhile(self.run(epochs=40), 60_000)
        assert not worthwhile(self.run(epochs=1), 60_000)
        assert not worthwhile(self.run(epochs=40, max_steps=100), 60_000)

    def test_never_without_a_compiler(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CXX", raising=False)
        assert not worthwhile(self.run(epochs=40), 60_000)


def test_steps_do_not_change_the_state_dict():
    model = build(override(read_model(shipped("draw-mnist")).config, {"steps": 3}))
    model.load_state_dict(read_model(shipped("draw-mnist")).state_dict())


@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize("sizes", [(3,), (3, 2)])
def test_first_step_of_an_lstm_without_gradients(sizes, driven):
    """The product of the initial state, taken once for all, is that of each."""
    lstm = drawzoo.LSTM(sum(sizes), 4).double()
    nn.init.normal_(lstm.initial)
    inputs = [torch.randn(5, size, dtype=torch.float64) for size in sizes]
    drive = torch.randn(5, 16, dtype=torch.float64) if driven else None
    expected = lstm(lstm.initial_state(5), *inputs, drive=drive)
    with torch.no_grad():
        actual = lstm(lstm.initial_state(5), *inputs, drive=drive)
    for now, before in zip(actual, expected, strict=True):
        torch.testing.assert_close(now, before.detach(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("compiled", quick([False, True], False))
def test_an_lstm_that_multiplies_in_bfloat16(compiled):
    """In training alone, and near the same in float32; gradients stay in the weights' type."""
    lstm = drawzoo.LSTM(3, 8)
    step = torch.compile(lstm, backend="aot_eager") if compiled else lstm
    x, state = torch.randn(5, 3), (torch.randn(5, 8), torch.randn(5, 8))

    def gradient():
        lstm.zero_grad()
        hidden, cell = step(state, x)
        (hidden.sum() + cell.sum()).backward()
        return hidden.detach(), lstm.gates.weight.grad

    expected = gradient()
    lstm.training_dtype = torch.bfloat16
    for now, before in zip(gradient(), expected, strict=True):
        assert now.dtype == torch.float32 and not torch.equal(now, before)
        torch.testing.assert_close(now, before, rtol=0.03, atol=0.03)
    lstm.eval()
    assert torch.equal(step(state, x)[0], expected[0])


def test_first_step_of_an_lstm_whose_layer_was_replaced():
    """As by quantisation or adapters: the layer's weight may be something else then, or missing."""
    lstm = drawzoo.LSTM(3, 4)
    x, state = torch.randn(5, 3), lstm.initial_state(5)
    expected = [part.detach() for part in lstm(state, x)]
    lstm.gates = nn.Sequential(lstm.gates)
    with torch.no_grad():
        torch.testing.assert_close([*lstm(state, x)], expected)
